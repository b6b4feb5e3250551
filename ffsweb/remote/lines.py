"""Bytes from a node, which may be anything, into bounded clean text. Pure."""

from __future__ import annotations

from typing import Final

MAX_LINE: Final = 16 * 1024  # bytes as the node sent them

# Control characters but TAB, LF and ESC (colours): C0, DEL and C1, whose U+009B starts terminal sequences as ESC [.
_UNWANTED: Final = dict.fromkeys(
    [*range(0x09), *range(0x0B, 0x1B), *range(0x1C, 0x20), *range(0x7F, 0xA0)],
)
_CONTINUATION_LOW, _CONTINUATION_HIGH = 0x80, 0xBF


def clean(data: bytes) -> str:
    """UTF-8 with U+FFFD for what is none, and without control characters but TAB, LF and ESC."""
    return data.decode("utf-8", "replace").translate(_UNWANTED)


class LineSplitter:
    """Cuts one stream into lines. Holds at most one line's start, ``MAX_LINE`` bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes; one over ``MAX_LINE`` bytes in pieces, cut between characters."""
        *whole, rest = (self._rest + data).split(b"\n")
        lines: list[str] = []
        for line in whole:
            tail = _cut_pieces(line, lines)
            if tail or not line:
                lines.append(clean(tail))
        self._rest = _cut_pieces(rest, lines)
        return lines

    def end(self) -> list[str]:
        """The last line, if it had no end."""
        rest, self._rest = self._rest, b""
        return [clean(rest)] if rest else []


def _cut_pieces(line: bytes, into: list[str]) -> bytes:
    """Move full pieces of an overlong line into the list; what is left over fits."""
    while len(line) > MAX_LINE:
        cut = _cut(line)
        into.append(clean(line[:cut]))
        line = line[cut:]
    return line


def _cut(data: bytes) -> int:
    """Where to cut at most ``MAX_LINE`` bytes off, not inside a UTF-8 character (which has at most 4 bytes)."""
    for back in range(4):
        if not _CONTINUATION_LOW <= data[MAX_LINE - back] <= _CONTINUATION_HIGH:
            return MAX_LINE - back
    return MAX_LINE


class Tail:
    """The last ``keep`` bytes of a stream, in at most twice that memory and one chunk."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._data = bytearray()
        self.truncated = False

    def feed(self, data: bytes) -> None:
        """Add what came."""
        self._data += data
        if len(self._data) > 2 * self._keep:
            self._trim()

    def text(self) -> str:
        """Clean text; when something was dropped, from the start of a line on (if there is one)."""
        self._trim()
        data = bytes(self._data)
        if self.truncated:
            _, newline, after = data.partition(b"\n")
            data = after if newline and after else data
        return clean(data)

    def _trim(self) -> None:
        if len(self._data) > self._keep:
            del self._data[: len(self._data) - self._keep]
            self.truncated = True
