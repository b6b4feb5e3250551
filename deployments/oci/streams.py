"""Byte streams read once, front to back, within limits: counting, limiting, peeking.

Nothing here holds more than a few chunks in memory, whatever the input does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .errors import Expands, TooLarge, TrailingData

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 256 * 1024
"""Bytes that are read, hashed and written at a time."""

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes read so far and the total (None if unknown). What it raises ends the work."""


class Readable(Protocol):
    """What has ``read``; ``b""`` means the end."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """Bytes that decompression may still bring forth, shared by everything unpacked from one upload."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def charge(self, count: int) -> None:
        """Take ``count`` bytes off; raises Expands when none are left."""
        self._left -= count
        if self._left < 0:
            raise Expands(f"The archive unpacks to more than {size_text(self._limit)}.")


class Counted:
    """The upload itself: counts, reports and limits what is read of it."""

    def __init__(self, raw: Readable, limit: int, total: int | None, on_progress: Progress | None) -> None:
        self._raw, self._limit, self._total, self._on_progress = raw, limit, total, on_progress
        self.done = 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; raises TooLarge beyond the limit."""
        data = self._raw.read(size)
        self.done += len(data)
        if self.done > self._limit:
            raise TooLarge(f"The archive is larger than {size_text(self._limit)}.")
        if self._on_progress is not None and data:
            self._on_progress(self.done, self._total)
        return data


class Peekable:
    """Lets the first bytes be looked at before they are read."""

    def __init__(self, raw: Readable) -> None:
        self._raw = raw
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes (fewer at the end), which stay to be read."""
        while len(self._ahead) < size:
            data = self._raw.read(CHUNK)
            if not data:
                break
            self._ahead += data
        return self._ahead[:size]

    def push_back(self, data: bytes) -> None:
        """Let bytes that were read too far come again."""
        self._ahead = data + self._ahead

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, ``b""`` at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._raw.read(size)


def expect_only_zeros(raw: Readable) -> None:
    """Read to the end; raises TrailingData unless there is nothing but zero bytes."""
    for chunk in chunks(raw):
        if chunk.count(0) != len(chunk):
            raise TrailingData("Something follows the end of the archive.")


def chunks(raw: Readable) -> Iterator[bytes]:
    """What is left of a stream, chunk by chunk."""
    while data := raw.read(CHUNK):
        yield data


def size_text(count: int) -> str:
    """Bytes as people read them: ``1.5 GiB``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
