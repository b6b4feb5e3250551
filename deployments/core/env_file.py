"""Reads a ``.env``: ``NAME=value`` lines, quotes, comments and values over several lines.

There is no standard; this follows what shells and the common tools agree on. ``${NAME}`` is not expanded: values are
taken as written. Messages name lines and names, never values, which may be secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_BYTES = 256 * 1024
MAX_ENTRIES = 1000
MAX_VALUE = 64 * 1024
"""Bytes of the text and of one value, and how many names there may be."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[^=\s]*)(?P<space>[ \t]*)=(?P<rest>.*)", re.DOTALL)
_COMMENT = re.compile(r"[ \t]*(#.*)?")
_TRAILING_COMMENT = re.compile(r"(^|[ \t]+)#.*$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`"}
_RESERVED = ("FFS_",)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One setting, and the line where it begins (from 1)."""

    name: str
    value: str = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be read: its number (0: the text as a whole) and why."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


class EnvError(Exception):
    """A text that is no ``.env``; ``bad`` names every line that is wrong."""

    def __init__(self, bad: tuple[BadLine, ...]) -> None:
        self.bad = bad
        super().__init__("\n".join(str(line) for line in bad))

    @classmethod
    def whole(cls, message: str) -> EnvError:
        """An error of the text as a whole."""
        return cls((BadLine(0, message),))


def parse_env(text: str) -> tuple[EnvEntry, ...]:
    """The entries of a ``.env`` in their order. Raises EnvError, which names every bad line; nothing is left out."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise EnvError.whole(f"A .env has at most {MAX_BYTES // 1024} KiB.")
    reader = _Reader(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"))
    reader.read()
    if len(reader.entries) > MAX_ENTRIES:
        raise EnvError.whole(f"A .env has at most {MAX_ENTRIES} names.")
    if reader.bad:
        raise EnvError(tuple(reader.bad))
    return tuple(reader.entries.values())


def problem_of(name: str, value: str) -> str:
    """Why a setting cannot have this name or this value, "" if it can; the name is well formed. Tells no value."""
    if name.startswith(_RESERVED):
        return f"{name}: names beginning with FFS_ are the dashboard's own."
    if _CONTROL.search(value):
        return f"the value of {name} holds a control character."
    if len(value.encode()) > MAX_VALUE:
        return f"the value of {name} is longer than {MAX_VALUE // 1024} KiB."
    return ""


class _Bad(Exception):
    pass


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.next = 0
        self.entries: dict[str, EnvEntry] = {}
        self.bad: list[BadLine] = []

    def read(self) -> None:
        while self.next < len(self.lines):
            number = self.next + 1
            line = self.lines[self.next]
            self.next += 1
            if _COMMENT.fullmatch(line):
                continue
            try:
                self._assignment(line, number)
            except _Bad as bad:
                self.bad.append(BadLine(number, str(bad)))

    def _assignment(self, line: str, number: int) -> None:
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise _Bad("there is no NAME= at its beginning.")
        name = match["name"]
        value = self._value(match["rest"])  # read first, so that a quote left open is passed over as a whole
        if not _NAME.fullmatch(name):
            raise _Bad("a name is made of letters, digits and underscores (128 at most), and begins with no digit.")
        if match["space"]:
            raise _Bad(f"there is a space between {name} and the equals sign.")
        problem = problem_of(name, value)
        if problem:
            raise _Bad(problem)
        if name in self.entries:
            raise _Bad(f"{name} was given already, at line {self.entries[name].line}.")
        self.entries[name] = EnvEntry(name, value, number)

    def _value(self, rest: str) -> str:
        bare = rest.lstrip(" \t")
        if bare[:1] in {"'", '"'}:
            return self._quoted(bare[1:], bare[0])
        return _TRAILING_COMMENT.sub("", rest).strip(" \t")

    def _quoted(self, text: str, quote: str) -> str:
        """The value up to the closing quote, maybe on a later line; what follows may be a comment only."""
        begun = self.next
        pieces: list[str] = []
        while True:
            value, after = _to_quote(text, quote)
            pieces.append(value)
            if after is not None:
                break
            if self.next >= len(self.lines):
                self.next = begun
                raise _Bad("a quote is opened and never closed.")
            text = self.lines[self.next]
            self.next += 1
        if not _COMMENT.fullmatch(after) or after[:1] == "#":
            raise _Bad("there is something after the closing quote.")
        return "\n".join(pieces)


def _to_quote(text: str, quote: str) -> tuple[str, str | None]:
    """``text`` up to ``quote``, and what comes after it (None if it does not come). ``"`` knows escapes."""
    value: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == quote:
            return "".join(value), text[position:]
        if character == "\\" and quote == '"' and position < len(text):
            following = text[position]
            position += 1
            value.append(_ESCAPES.get(following, "\\" + following))
        else:
            value.append(character)
    return "".join(value), None
