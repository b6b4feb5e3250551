"""Colours of a terminal as HTML: a subset of SGR (ECMA-48 §8.3.117) becomes spans with classes. Pure.

Everything else that is a control is dropped, and every character is escaped before it comes near a tag: the text of a
line cannot make a tag, an attribute or a class. A line stands for itself: colours do not run on into the next one, so
a line looks the same in the page, in the stream and in a piece fetched later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .linetext import SGR, clean

COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_FLAGS: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_CLEARS: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}


@dataclass(frozen=True, slots=True)
class Style:
    """How the text from here on looks."""

    foreground: str = ""
    background: str = ""
    flags: frozenset[str] = frozenset()

    def classes(self) -> str:
        """The CSS classes of this style, or nothing."""
        names = [f"ansi-{flag}" for flag in sorted(self.flags)]
        names += [f"ansi-fg-{self.foreground}"] if self.foreground else []
        names += [f"ansi-bg-{self.background}"] if self.background else []
        return " ".join(names)


def to_html(text: str) -> SafeString:
    """``text`` as HTML that holds nothing but escaped text and ``<span class="ansi-…">``."""
    text = clean(text)
    if "\x1b" not in text:
        return escape(text)
    parts: list[str] = []
    style, position = Style(), 0
    for sequence in SGR.finditer(text):
        parts.append(_span(text[position : sequence.start()], style))
        style = _after(style, sequence.group()[2:-1])
        position = sequence.end()
    parts.append(_span(text[position:], style))
    return mark_safe("".join(parts))  # noqa: S308 - made of escaped text and class names of this module alone


def _span(text: str, style: Style) -> str:
    if not text:
        return ""
    classes = style.classes()
    return f'<span class="{classes}">{escape(text)}</span>' if classes else str(escape(text))


def _after(style: Style, parameters: str) -> Style:
    codes = [_number(part) for part in parameters.split(";")]
    while codes:
        code = codes.pop(0)
        if code in {38, 48}:
            style = _extended(style, code, codes)
        else:
            style = _simple(style, code)
    return style


def _number(parameter: str) -> int:
    """An omitted parameter is 0; sub-parameters (after a colon) refine what is shown plainly here."""
    return int(parameter.split(":", maxsplit=1)[0][:6] or 0)


def _simple(style: Style, code: int) -> Style:
    if code == 0:
        return Style()
    if code in _FLAGS:
        return replace(style, flags=style.flags | {_FLAGS[code]})
    if code in _CLEARS:
        return replace(style, flags=style.flags - set(_CLEARS[code]))
    return _coloured(style, code)


def _coloured(style: Style, code: int) -> Style:
    tens, one = divmod(code, 10)
    if tens in {3, 9} and one < 8:
        return replace(style, foreground=("bright-" if tens == 9 else "") + COLOURS[one])
    if tens in {4, 10} and one < 8:
        return replace(style, background=("bright-" if tens == 10 else "") + COLOURS[one])
    if code == 39:
        return replace(style, foreground="")
    if code == 49:
        return replace(style, background="")
    return style


def _extended(style: Style, code: int, codes: list[int]) -> Style:
    """256 colours and true colour: the sixteen named ones are shown, of the others only the parameters are eaten."""
    form = codes.pop(0) if codes else 0
    if form == 2:
        del codes[:3]
        return style
    if form != 5 or not codes:
        return style
    number = codes.pop(0)
    if number >= 16:
        return style
    name = ("bright-" if number >= 8 else "") + COLOURS[number % 8]
    return replace(style, foreground=name) if code == 38 else replace(style, background=name)
