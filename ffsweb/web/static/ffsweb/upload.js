// Archives are sent in parts that can be continued, by the tus protocol. Without this file the form sends them whole.
import { inWords, left, ofWords } from "./upload-words.js";

const PART = 16 * 1024 * 1024;
// A network that is away comes back: ask at once, then slower, for some hours.
const RETRIES = [0, 1000, 2000, 5000, ...Array(2000).fill(10000)];
const PACE_OVER = 10000; // ms that a rate is made from

const section = document.querySelector("[data-upload]");
const form = section.querySelector("form");
const input = form.querySelector("input[type=file]");
const token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
const part = (name) => section.querySelector(`[data-${name}]`);
const run = part("run");

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// The unfinished upload that this file began, if it is one of the viewer's own.
const begun = (file) => [...document.querySelectorAll("[data-unfinished] li[data-address]")].find(({ dataset }) =>
  dataset.name === file.name && Number(dataset.size) === file.size
  && (!dataset.modified || Number(dataset.modified) === file.lastModified));

class Sum {
  // The SHA-256 of a file, made beside the upload.
  constructor(file) {
    this.done = 0;
    this.worker = new Worker(section.dataset.summing, { type: "module" });
    this.whole = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if (data.done) this.done = data.done;
        if (data.sum) resolve(data.sum);
        if (data.wrong) reject(new Error(`The file cannot be read any more: ${data.wrong}`));
      };
      this.worker.onerror = () => reject(new Error("The browser could not make the file's sum."));
    });
    this.whole.catch(() => {}); // whoever waits for it is told
    this.worker.postMessage(file);
  }

  end() { this.worker.terminate(); }
}

class Run {
  // One file on its way: sent, compared, handed over.
  constructor(file, row) {
    this.file = file;
    this.row = row;
    this.sum = new Sum(file);
    this.seen = [];
    this.sending = true;
    this.upload = new tus.Upload(file, {
      endpoint: section.dataset.create,
      uploadUrl: row?.dataset.address ?? null,
      chunkSize: PART,
      headers: { "X-CSRFToken": token },
      metadata: { filename: file.name, what: section.dataset.upload, modified: String(file.lastModified) },
      retryDelays: RETRIES,
      removeFingerprintOnSuccess: true,
      storeFingerprintForResuming: false, // the server knows what is unfinished, and tells every browser
      onShouldRetry: (error) => this.again(error),
      onProgress: (sent) => this.show(sent),
      onChunkComplete: () => this.say("Sending …"),
      onError: (error) => this.failed(error),
      onSuccess: () => this.finish(),
    });
    this.timer = setInterval(() => this.pace(), 1000);
    this.sum.whole.catch((error) => this.lost(error.message));
    if (row) row.hidden = true;
    form.hidden = true;
    run.hidden = false;
    part("wrong").hidden = true;
    part("name").textContent = file.name;
    this.show(Number(row?.dataset.received ?? 0));
    part("name").focus();
    this.go();
  }

  go() {
    this.paused = false;
    this.seen = [];
    section.removeAttribute("data-paused");
    part("pause").hidden = false;
    part("continue").hidden = true;
    this.say("Sending …");
    this.upload.start();
  }

  hold(words) {
    this.paused = true;
    section.setAttribute("data-paused", "");
    part("pause").hidden = true;
    part("continue").hidden = false;
    part("pace").textContent = "";
    this.say(words);
  }

  async stop() {
    await this.upload.abort();
    this.hold("Paused.");
  }

  say(words) { if (part("state").textContent !== words) part("state").textContent = words; }

  show(sent) {
    this.sent = sent;
    part("bar").value = sent / this.file.size;
    part("amount").textContent = ofWords(sent, this.file.size);
    if (!this.seen.length) this.pace();
  }

  pace() {
    if (this.paused || !this.sending) return;
    const now = performance.now();
    this.seen = [...this.seen.filter(([when]) => now - when < PACE_OVER), [now, this.sent]];
    const [when, before] = this.seen[0];
    const rate = (this.sent - before) / ((now - when) / 1000);
    part("pace").textContent = now - when > 900 && rate > 0
      ? `${inWords(Math.round(rate))}/s, ${left((this.file.size - this.sent) / rate)}` : "";
  }

  // Whether a part that failed is tried again; says why the upload waits.
  again(error) {
    const status = error.originalResponse?.getStatus() ?? 0;
    if (status === 0) this.look();
    if (status === 423) this.say("Another page or device sends this upload just now. Trying again …");
    else if (status === 0) this.say("The connection is lost. Trying again …");
    else if (status >= 500 && status !== 507) this.say("The dashboard does not answer. Trying again …");
    return status === 0 || status === 409 || status === 423 || (status >= 500 && status !== 507);
  }

  // A file that was changed or taken away looks to the browser like a connection that is lost.
  look() {
    this.file.slice(0, 1).arrayBuffer().catch(() => this.lost("The file was changed or removed while it was sent."));
  }

  async lost(words) {
    await this.upload.abort();
    if (current === this) this.over(`${words} Choose it again: if it is as it was, the upload goes on.`);
  }

  failed(error) {
    const answer = error.originalResponse, status = answer?.getStatus() ?? 0;
    const request = error.originalRequest?.getUnderlyingObject();
    const told = (answer?.getHeader("Content-Type") ?? "").startsWith("text/plain") ? answer.getBody().trim() : "";
    if (request?.responseURL?.includes("/account/login/")) {
      this.hold("You were logged out. Log in again in another tab, then continue here.");
    } else if (status === 404 || status === 410) {
      this.over(told || "This upload is gone: it was discarded or has expired. Choose the file again to begin anew.");
    } else if (status >= 400 && status < 500 && !this.upload.url) {
      this.over(told || `The dashboard refused the upload (${status}).`);
    } else if (status === 507 && !this.upload.url) {
      this.over(told);
    } else {
      this.hold(told || (status ? `The dashboard refused the part (${status}).` : "The connection is lost."));
    }
  }

  async finish() {
    this.sending = false;
    part("pause").hidden = true;
    part("pace").textContent = "";
    try {
      const waiting = setInterval(() => this.say(`Comparing: ${Math.floor(100 * this.sum.done / this.file.size)} % …`), 300);
      const sum = await this.sum.whole.finally(() => clearInterval(waiting));
      location.href = await this.handOver(sum);
    } catch (error) {
      if (current === this) this.over(error.message);
    }
  }

  // The address of the operation that takes the file in. Asked again until there is a last word.
  async handOver(sum) {
    const address = `${new URL(this.upload.url, location.href).pathname}finish/`;
    for (;;) {
      const answer = await fetch(address, {
        method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams({ sha256: sum }), redirect: "manual",
      }).catch(() => null);
      const told = answer?.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
      if (answer?.ok && told.address) return told.address;
      if (answer?.status === 202) {
        this.say(`Comparing: ${Math.floor(100 * told.checked / told.size)} % …`);
      } else if (answer && answer.status >= 400 && answer.status < 500 && answer.status !== 423) {
        throw new Error(told.error ?? `The dashboard refused the upload (${answer.status}).`);
      } else {
        this.say(answer?.type === "opaqueredirect"
          ? "You were logged out. Log in again in another tab." : "The dashboard does not answer. Trying again …");
        await pause(2000);
      }
    }
  }

  // It came to nothing: the form is back, and says why.
  over(words) {
    this.close();
    part("wrong-text").textContent = words;
    part("wrong").hidden = false;
  }

  close() {
    clearInterval(this.timer);
    this.sum.end();
    section.removeAttribute("data-paused");
    run.hidden = true;
    form.hidden = false;
    form.reset();
    part("found").hidden = true;
    part("submit-word").textContent = word;
    current = null;
    refresh();
  }

  async discard() {
    this.paused = true;
    try {
      await this.upload.abort(true);
    } catch {
      this.hold("The dashboard did not answer. Nothing was discarded.");
      return;
    }
    this.close();
  }
}

// What is unfinished now, as the server knows it.
const refresh = async () => {
  const answer = await fetch(location.href).catch(() => null);
  const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page && page.querySelector("[data-unfinished]");
  if (fresh && !current) document.querySelector("[data-unfinished]").replaceWith(fresh);
};

let current = null;
const word = part("submit-word").textContent;

input.addEventListener("change", () => {
  const [file] = input.files, row = file && begun(file);
  part("found").hidden = !row;
  part("submit-word").textContent = row ? "Continue" : word;
  if (row) part("found").textContent = `${ofWords(Number(row.dataset.received), file.size)} are here already.`;
});

form.addEventListener("submit", (event) => {
  const [file] = input.files;
  if (!file || !file.size || current || !globalThis.tus?.isSupported) return; // the form itself says what is missing
  event.preventDefault();
  current = new Run(file, begun(file));
});
part("pause").addEventListener("click", () => current?.stop());
part("continue").addEventListener("click", () => current?.go());
part("discard").addEventListener("click", () => current?.discard());
