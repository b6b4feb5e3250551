"""A mail's words, as plain text and as HTML. Pure: no clock, no database.

What goes into it may come from a node: control and direction characters become spaces, lengths are bounded, HTML is
escaped. So no text can add a header or a tag.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

SUBJECT = 150
LINE = 500
BLOCK = 4000
FACTS = 100
"""Characters of a subject, of a fact and of a paragraph; facts in one letter. More is cut, and a mark shows it."""

_HEAD = mark_safe(
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    "<style>:root{color-scheme:light dark}.quiet{color:#555}"
    "@media(prefers-color-scheme:dark){.quiet{color:#bbb}a{color:#8ab4f8}}</style>"
)

_SHORT = 20
"""Characters of a label that has room beside its value, on a phone too."""
_BESIDE = '<tr><td class="quiet" style="padding:2px 12px 2px 0;vertical-align:top">{}</td><td>{}</td></tr>'
_BELOW = '<tr><td class="quiet" style="padding:6px 1px 0">{}</td></tr><tr><td>{}</td></tr>'


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, in this order: what happened, the facts (label and value), what to do, the page to look at.

    ``path`` is the page's path on the dashboard, with its first slash; "" for none. Several events in one mail (a
    digest) are several facts. Never put a secret, or output of a program, into it: mail is read by others.
    """

    subject: str
    happened: str
    facts: tuple[tuple[str, str], ...] = ()
    todo: str = ""
    path: str = ""

    def title(self) -> str:
        """The subject as it goes out."""
        return one_line(self.subject, SUBJECT) or "A message"

    def as_text(self, base_url: str, why: str) -> str:
        """The plain text; ``why`` says why somebody gets it."""
        facts = "\n".join(f"{label}: {value}" for label, value in self._facts())
        todo = paragraph(self.todo)
        parts = (
            paragraph(self.happened),
            facts,
            f"What to do: {todo}" if todo else "",
            f"{base_url}{self.path}" if self.path else "",
            f"-- \n{why}",
        )
        return "\n\n".join(part for part in parts if part) + "\n"

    def as_html(self, base_url: str, why: str) -> str:
        """The same as HTML, without pictures, scripts or anything to be fetched."""
        shown = self._facts()
        beside = all(len(label) <= _SHORT for label, _ in shown)
        rows = format_html_join("\n", _BESIDE if beside else _BELOW, shown)
        facts = format_html("<table>{}</table>\n", rows) if rows else ""
        todo = paragraph(self.todo)
        address = f"{base_url}{self.path}"
        return format_html(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{}</title>{}</head>'
            '<body style="font-family:sans-serif;line-height:1.5;max-width:40em;overflow-wrap:anywhere">\n'
            '<p style="white-space:pre-line">{}</p>\n{}{}{}'
            '<p class="quiet" style="font-size:smaller">{}</p>\n</body></html>\n',
            self.title(),
            _HEAD,
            paragraph(self.happened),
            facts,
            format_html('<p style="white-space:pre-line"><b>What to do:</b> {}</p>\n', todo) if todo else "",
            format_html('<p><a href="{}">{}</a></p>\n', address, address) if self.path else "",
            why,
        )

    def _facts(self) -> list[tuple[str, str]]:
        shown = [(one_line(label, 60), one_line(value, LINE)) for label, value in self.facts[:FACTS]]
        more = len(self.facts) - len(shown)
        return [*shown, ("And", f"{more} more")] if more > 0 else shown


def one_line(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters; what does not print is a space."""
    return _cut(" ".join(_printable(text[: 4 * limit]).split()), limit)


def paragraph(text: str, limit: int = BLOCK) -> str:
    """The same, with its line breaks."""
    lines = (" ".join(_printable(line).split()) for line in text[: 4 * limit].splitlines())
    return _cut("\n".join(line for line in lines if line), limit)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
