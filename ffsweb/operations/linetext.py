"""What may stand in a log line: one line, bounded, without anything that a database or a terminal trips over. Pure.

What comes from a node is hostile: control characters, text-direction overrides that make a line read backwards,
lone surrogates that UTF-8 cannot hold, lines without an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .limits import LINE_CHARACTERS

SGR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
"""Select Graphic Rendition (ECMA-48 §8.3.117): colours and weight, the only control sequence that is kept."""

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*(?:[@-~]|(?![ -~]))"  # control sequences (ECMA-48 §5.4), also cut ones
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|$)"  # strings to the terminal: titles, links, device control
    r"|\x1b[ -/]*[0-Z\\`-~]"  # two-character escapes
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LONE_ESCAPE = re.compile(r"\x1b(?!\[[0-9;:]{0,64}m)")


def clean(text: str) -> str:
    """``text`` without any control but tabulators and SGR; what a carriage return overwrote is gone."""
    text = text.rstrip("\r\n")
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part.strip()), "")
    if text.isprintable():
        return text
    text = _SEQUENCES.sub(lambda found: found.group() if SGR.fullmatch(found.group()) else "", text)
    return _LONE_ESCAPE.sub("", _CONTROLS.sub("", text))


def plain(text: str) -> str:
    """``text`` without SGR."""
    return SGR.sub("", text) if "\x1b" in text else text


def lines(text: str) -> Iterator[str]:
    """``text`` line by line, each cleaned; at least one."""
    for line in text.removesuffix("\n").split("\n"):
        yield clean(line)


def pieces(line: str) -> Iterator[str]:
    """``line`` in pieces of bounded length; at least one."""
    yield line[:LINE_CHARACTERS]
    for start in range(LINE_CHARACTERS, len(line), LINE_CHARACTERS):
        yield line[start : start + LINE_CHARACTERS]
