// The live log of an operation. The server's numbers decide everything: a line is shown once, in its place, or not yet.
const SHOWN = 5000, PAGE = 1000, SILENCE = 40000, LONGEST_PAUSE = 15000, REST = 60000;

class LogView extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector(".log-box");
    this.list = this.querySelector("ol");
    this.follow = this.querySelector("[data-follow]");
    this.target = this.querySelector("[data-target-filter]");
    this.search = this.querySelector("[data-search]");
    this.labels = new Map([...(this.target?.options ?? [])].map((option) => [option.value, option.text]));
    this.cursor = Number(this.dataset.after); // the last line that was taken, shown or waiting to be
    this.waiting = [];
    this.pause = 1000;
    this.heard = Date.now();
    this.finished = "finished" in this.dataset;
    this.abort = new AbortController();
    const on = (element, name, act) => element?.addEventListener(name, act, { signal: this.abort.signal });
    on(this.follow, "change", () => this.follow.checked && this.newest());
    on(this.target, "change", () => this.sift());
    on(this.search, "input", () => this.sift());
    on(this.box, "scroll", () => {
      if (this.box.scrollTop < this.top && !this.atEnd()) this.follow.checked = false; // somebody scrolls up
      this.top = this.box.scrollTop;
    });
    on(this.list, "click", (event) => this.copy(event));
    on(this.querySelector("[data-earlier]"), "click", (event) => this.earlier(event));
    this.querySelector("[data-later]")?.closest(".log-more").remove(); // they come by themselves
    for (const name of ["online", "pageshow"]) on(window, name, () => this.wakeUp());
    on(document, "visibilitychange", () => (document.hidden ? this.restSoon() : this.wakeUp()));
    this.watchdog = setInterval(() => this.source && Date.now() - this.heard > SILENCE && this.lost(0), 5000);

    const wanted = /^#L(\d+)$/.exec(location.hash)?.[1];
    if (wanted && !document.getElementById(`L${wanted}`) && !("from" in this.dataset)) {
      location.replace(`?from=${wanted}#L${wanted}`);
      return;
    }
    this.follow.checked = !this.finished && !wanted && !("from" in this.dataset);
    if (this.follow.checked) this.toEnd();
    this.say(this.finished ? "Ended" : "Connecting …");
    this.open();
  }

  disconnectedCallback() {
    this.abort.abort();
    clearInterval(this.watchdog);
    clearTimeout(this.timer);
    clearTimeout(this.rest);
    this.source?.close();
    this.finished = true;
  }

  open() {
    if (this.finished || this.held) return;
    this.source?.close();
    this.heard = Date.now();
    const source = this.source = new EventSource(`${this.dataset.events}?after=${this.cursor}`);
    const on = (name, act) => source.addEventListener(name, (event) => {
      if (source !== this.source) return;
      this.heard = Date.now();
      act(event);
    });
    on("open", () => { this.pause = 1000; this.say("Live"); });
    on("message", (event) => this.take(JSON.parse(event.data)));
    on("ping", (event) => Number(event.data) > this.cursor && this.lost(0));
    on("steps", () => this.situation());
    on("done", (event) => (JSON.parse(event.data).last > this.cursor ? this.lost(0) : this.end()));
    on("error", () => this.lost());
  }

  // The connection is gone, or cannot be trusted: ask for what is missing, then open another one.
  lost(wait = this.pause * (0.75 + Math.random() / 2)) {
    this.source?.close();
    this.source = null;
    if (this.finished) return;
    this.say("Reconnecting …");
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fill(), wait);
  }

  // A browser has six connections for all its pages of one server: a page that nobody looks at gives its own back.
  restSoon() {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      if (!document.hidden || this.finished || this.held) return;
      this.source?.close();
      this.source = null;
      clearTimeout(this.timer);
      this.say("Resting while this page is hidden");
    }, REST);
  }

  wakeUp() {
    clearTimeout(this.rest);
    if (!this.finished && !this.held && (!this.source || Date.now() - this.heard > SILENCE / 2)) this.lost(0);
  }

  async ask(query) {
    const answer = await fetch(`${this.dataset.lines}?${query}`, { signal: this.abort.signal }).catch(() => null);
    if (!answer || answer.status >= 500) return null;
    if (answer.ok && !answer.redirected) return answer.json().catch(() => null);
    this.finished = true;
    this.say("You are signed out, or may not see this any more. Load the page again.");
    return null;
  }

  async fill() {
    while (!this.finished && !this.held) {
      const found = await this.ask(`after=${this.cursor}&limit=${PAGE}`);
      if (!found) return this.lost();
      this.take(found.lines);
      if (this.cursor >= found.last) return found.finished ? this.end() : this.open();
      if (!found.lines.length || found.lines[0].n > this.cursor + 1) return this.open();
      await new Promise(requestAnimationFrame);
    }
  }

  take(lines) {
    for (const line of lines) {
      if (line.n <= this.cursor) continue; // shown already
      if (line.n > this.cursor + 1) return this.lost(0); // some are missing: fetch them
      this.cursor = line.n;
      this.waiting.push(line);
    }
    // A page in the background gets no frames; its lines are drawn when it is looked at.
    if (this.waiting.length > SHOWN) this.draw();
    else if (this.waiting.length) this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    const lines = this.waiting.splice(0);
    if (this.follow.checked) {
      this.list.append(...lines.slice(-SHOWN).map((line) => this.element(line)));
      while (this.list.children.length > SHOWN) this.list.firstElementChild.remove();
      this.offerEarlier();
      this.toEnd();
      return;
    }
    const room = Math.max(0, SHOWN - this.list.children.length);
    this.list.append(...lines.slice(0, room).map((line) => this.element(line)));
    if (lines.length > room) this.hold(lines[room].n - 1);
  }

  hold(shown) {
    this.held = true;
    this.cursor = shown;
    this.source?.close();
    this.source = null;
    this.say(`Paused at ${SHOWN} lines. Follow jumps to the newest.`);
  }

  async newest() {
    if (!this.held) return this.toEnd();
    const found = await this.ask(`limit=${PAGE}`);
    if (!found) return;
    this.held = false;
    this.waiting = [];
    this.list.replaceChildren();
    this.cursor = (found.lines[0]?.n ?? 1) - 1;
    this.take(found.lines);
    return found.finished ? this.end() : this.open();
  }

  async earlier(event) {
    const first = Number(this.list.firstElementChild?.dataset.n ?? 1);
    if (this.list.children.length + PAGE > SHOWN) return; // too many for one page: the link leads to another
    event.preventDefault();
    this.follow.checked = false;
    const found = await this.ask(`before=${first}&limit=${PAGE}`);
    if (!found || Number(this.list.firstElementChild?.dataset.n) !== first) return;
    const height = this.box.scrollHeight;
    this.list.prepend(...found.lines.map((line) => this.element(line)));
    this.box.scrollTop += this.box.scrollHeight - height;
    this.offerEarlier();
  }

  offerEarlier() {
    const first = Number(this.list.firstElementChild?.dataset.n ?? 1), link = this.querySelector("[data-earlier]");
    link.href = `?from=${Math.max(1, first - PAGE)}`;
    link.closest(".log-more").hidden = first <= 1;
  }

  end() {
    this.finished = true;
    this.source?.close();
    this.say("Ended");
    this.situation();
  }

  // State and steps changed: htmx fetches them, at most about once a second.
  situation() {
    this.asked ??= setTimeout(() => {
      this.asked = null;
      document.body.dispatchEvent(new CustomEvent("operation-steps"));
    }, 700);
  }

  element(line) {
    const item = document.createElement("li");
    item.id = `L${line.n}`;
    item.dataset.n = line.n;
    item.dataset.s = line.s;
    if (line.t) item.dataset.t = line.t;
    const add = (tag, name, text) => {
      const part = item.appendChild(document.createElement(tag));
      if (name) part.className = name;
      if (text) part.textContent = text;
      return part;
    };
    const number = add("a", "log-n", String(line.n));
    number.href = `?from=${line.n}#L${line.n}`;
    number.tabIndex = -1;
    add("time", "", line.at.slice(11, 19)).dateTime = line.at;
    if (line.t && this.labels.has(String(line.t))) add("span", "log-t", this.labels.get(String(line.t)));
    add("span", "log-text").innerHTML = line.h; // made by the server out of escaped text
    item.hidden = !this.fits(item);
    return item;
  }

  fits(item) {
    const words = this.search?.value.trim().toLowerCase();
    return (!this.target?.value || item.dataset.t === this.target.value)
      && (!words || item.querySelector(".log-text").textContent.toLowerCase().includes(words));
  }

  sift() {
    for (const item of this.list.children) item.hidden = !this.fits(item);
    if (this.follow.checked) this.toEnd();
  }

  async copy(event) {
    const link = event.target.closest(".log-n");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.follow.checked = false;
    location.hash = link.hash;
    const copied = await navigator.clipboard?.writeText(link.href).then(() => true, () => false);
    this.say(copied ? `Link to line ${link.textContent} copied` : `The address leads to line ${link.textContent}`);
  }

  atEnd() { return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40; }
  toEnd() { this.box.scrollTop = this.box.scrollHeight; }
  say(text) { const status = this.querySelector("[data-status]"); if (status.textContent !== text) status.textContent = text; }
}

customElements.define("log-view", LogView);
