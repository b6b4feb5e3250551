// Light, dark, or as the system says. Loaded before anything is drawn, so that no page flashes.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; } };
  const apply = () => {
    const wish = read();
    root.dataset.bsTheme = wish === "auto" ? (system.matches ? "dark" : "light") : wish;
    root.dataset.themeWish = wish;
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-set-theme]");
    if (!button) return;
    try { localStorage.setItem("theme", button.dataset.setTheme); } catch { /* private window */ }
    apply();
  });
})();
