"""What is wrong with a page that a machine can see: axe, overflow, errors in the console."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

WIDTHS = {"narrow": (390, 844), "wide": (1440, 900)}
THEMES = ("light", "dark")
VIOLATIONS = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}"""
OVERFLOWING = """() => {
  const scrolls = (element) => {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return true;
    }
    return false;
  };
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.right > innerWidth + 1 && !scrolls(element) && !element.closest(".visually-hidden, .skip-link");
  });
  const root = document.documentElement;
  const sideways = root.scrollWidth > root.clientWidth ? [`the page is ${root.scrollWidth} px wide`] : [];
  // A table that stays a table may scroll in its frame; one that becomes cards must not.
  const frames = [...document.querySelectorAll(".table-frame:not(:has(.table-keep))")];
  const tables = frames.filter((frame) => frame.scrollWidth > frame.clientWidth + 1).map(() => "a table scrolls sideways");
  return [...sideways, ...tables, ...wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 160))];
}"""


class Console:
    """What the browser complains about on a page."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def taken(self) -> list[str]:
        """The complaints since the last call."""
        found, self.errors = list(self.errors), []
        return found


def in_theme(page: Page, theme: str, width: str) -> None:
    """Show the page in a theme and a width, as its own switch does it."""
    x, y = WIDTHS[width]
    page.set_viewport_size({"width": x, "height": y})
    page.evaluate("theme => document.documentElement.setAttribute('data-bs-theme', theme)", theme)


def faults(page: Page) -> list[str]:
    """Violations in both themes and widths, and what does not fit a phone."""
    # Through the debugger, not as a script element: the page's own policy stays in force.
    page.evaluate(AXE_SCRIPT)
    found = []
    for width in WIDTHS:
        for theme in THEMES:
            in_theme(page, theme, width)
            found += [f"{theme} {width}: {text}" for text in page.evaluate(VIOLATIONS)]
        found += [f"{width}: {text}" for text in page.evaluate(OVERFLOWING)]
    return found
