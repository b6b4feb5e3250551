// Small comforts. Every page works without this file.

// Times in words grow old while a page is open.
const steps = [[60, 1, "s"], [3600, 60, "min"], [172800, 3600, "h"], [7776000, 86400, "days"],
  [63072000, 2592000, "months"], [Infinity, 31536000, "years"]];
const words = (seconds) => {
  const [, unit, word] = steps.find(([below]) => Math.abs(seconds) < below);
  const span = `${Math.floor(Math.abs(seconds) / unit)} ${word}`;
  if (Math.abs(seconds) < 5) return "just now";
  return seconds > 0 ? `${span} ago` : `in ${span}`;
};
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = words((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}, 10000);

// On a phone the current tab may stand beyond the edge.
for (const tab of document.querySelectorAll(".tabs a[aria-current]")) {
  const list = tab.closest("ul");
  list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
}

// Menus close by Escape and by a click elsewhere.
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A button that copies what stands before it.
addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const text = button.closest(".copy-line").querySelector(".copy-text").textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.querySelector("[data-copy-word]").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.closest(".copy-line").querySelector(".copy-text"));
  }
});

// A form that was sent is not sent again by a second click.
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  const button = event.submitter;
  if (!button || button.name) return;
  setTimeout(() => { button.disabled = true; });
  setTimeout(() => { button.disabled = false; }, 4000);
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// A page that asks for a confirmation comes as a dialog; without this it is a page of its own.
addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const asked = page && page.querySelector("[data-confirm]");
  if (!asked) { location.href = link.href; return; }
  const dialog = document.createElement("dialog");
  dialog.className = "sheet";
  dialog.setAttribute("aria-label", link.textContent.trim());
  dialog.append(...asked.childNodes);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (inner) => {
    if (inner.target === dialog || inner.target.closest("[data-cancel]")) { inner.preventDefault(); dialog.close(); }
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("input:not([type=hidden])")?.focus();
});

// A filter is used at once.
addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-apply]");
  if (form && event.target.matches("select")) form.requestSubmit();
});
