"""What is shown: tables and lines for people, JSON for programs; colours on a terminal alone."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

from ffsweb.commands.errors import Closed

GREEN, RED, YELLOW, DIM = "32", "31", "33", "2"
COLOURS: Final = {
    "succeeded": GREEN,
    "active": GREEN,
    "failed": RED,
    "needs_hands": RED,
    "unknown": RED,
    "rolled_back": YELLOW,
    "warning": YELLOW,
    "error": RED,
    "err": RED,
}
"""Of states and of a log's streams."""


def say(text: str, to: TextIO | None = None) -> None:
    """One line, at once. Raises Closed."""
    stream = to or sys.stdout
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError as error:
        raise Closed(str(error)) from error


def tell(text: str) -> None:
    """One line for people, beside what the command puts out."""
    say(text, sys.stderr)


def as_json(value: Any) -> None:
    """One JSON value, indented."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def coloured(text: str, colour: str, to: TextIO | None = None) -> str:
    """``text`` in a colour if that goes to a terminal that may have some (https://no-color.org)."""
    stream = to or sys.stdout
    plain = not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain or not colour else f"\x1b[{colour}m{text}\x1b[0m"


def printable(value: object) -> str:
    """As a terminal may have it: names come from people and nodes."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(each if each.isprintable() else "�" for each in text)


class Bar:
    """A bar of progress on a terminal; elsewhere nothing is shown before the end."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size, self._begun = printable(name), size, time.monotonic()

    def show(self, done: int) -> None:
        """So many bytes are through."""
        if sys.stderr.isatty():
            filled = 30 * done // self._size
            sys.stderr.write(
                f"\r{self._name} [{'#' * filled:<30}] {done / 1e6:.1f} of {self._size / 1e6:.1f} MB\x1b[K"
            )
            sys.stderr.flush()

    def end(self) -> None:
        """All is through."""
        seconds = max(time.monotonic() - self._begun, 0.001)
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        tell(f"{start}{self._name}: {self._size / 1e6:.1f} MB sent, {self._size / 1e6 / seconds:.1f} MB/s")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns with heads; a word that is a state has its colour."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in [list(heads), *cells]) for place in range(len(heads))]
    for number, row in enumerate([[head.upper() for head in heads], *cells]):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if number:
            padded = [coloured(text, COLOURS.get(cell, "")) for text, cell in zip(padded, row, strict=True)]
        say("  ".join(padded).rstrip())
