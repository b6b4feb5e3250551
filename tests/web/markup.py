"""What must hold for every page that is rendered; used by the tests of all apps."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    | {"path", "rect", "circle", "line", "polyline"}
)
NAMELESS_INPUTS = frozenset({"hidden", "submit", "button", "image", "reset"})


class Page(HTMLParser):
    """Collects what is wrong with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.headings = 0
        self._labelled: set[str] = set()
        self._fields: list[dict[str, str | None]] = []
        self._ids: list[str] = []
        self._open: list[str] = []
        self._button: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._no_inline(tag, found)
        if "id" in found:
            self._ids.append(str(found["id"]))
        if tag == "h1":
            self.headings += 1
        if tag == "label":
            self._labelled.add(str(found.get("for")))
        if tag in {"select", "textarea"} or (tag == "input" and found.get("type") not in NAMELESS_INPUTS):
            self._fields.append({**found, "aria-label": "wrapped"} if "label" in self._open else found)
        if tag == "img" and not found.get("alt"):
            self.faults.append(f"an image without alt: {found}")
        if tag == "button":
            self._button = [str(found.get("aria-label") or "")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing, or the wrong thing")
        if tag == "button" and self._button is not None:
            if not "".join(self._button).strip():
                self.faults.append("a button without a name")
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._button.append(data)
        if self._open and self._open[-1] == "script" and data.strip():
            self.faults.append(f"an inline script: {data.strip()[:60]}")

    def finish(self, *, whole: bool) -> list[str]:
        """Every fault, after the last of the page."""
        for field in self._fields:
            named = field.get("aria-label") or field.get("aria-labelledby") or field.get("id") in self._labelled
            if not named:
                self.faults.append(f"a field without a label: {field}")
        twice = sorted({name for name in self._ids if self._ids.count(name) > 1})
        if twice:
            self.faults.append(f"ids that occur twice: {twice}")
        if self._open:
            self.faults.append(f"never closed: {self._open}")
        if whole and self.headings != 1:
            self.faults.append(f"{self.headings} h1 headings instead of one")
        return self.faults

    def _no_inline(self, tag: str, attrs: dict[str, str | None]) -> None:
        if tag == "style" or "style" in attrs:
            self.faults.append(f"an inline style at <{tag}>")
        self.faults += [f"{name} at <{tag}>" for name in attrs if name.startswith(("on", "hx-on"))]
        if (attrs.get("href") or "").lower().startswith("javascript:"):
            self.faults.append("a javascript: address")


def faults_of(html: str) -> list[str]:
    """What is wrong with a whole page or a fragment: inline code, unnamed fields and buttons, bad nesting."""
    page = Page()
    page.feed(html)
    page.close()
    return page.finish(whole="<html" in html)


def assert_well_made(html: str) -> None:
    """Fails with everything that is wrong."""
    faults = faults_of(html)
    assert not faults, "\n".join(faults)
