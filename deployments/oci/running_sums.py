"""SHA-256 of files that come in parts, made while they come.

The state of a hash cannot be stored, so it lives in the memory of the process that takes the parts. What a restarted
process has not seen it reads again from the file, a slice at a time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

    from .partfile import PartFile

SLICE = 1024 * 1024
"""Bytes read at once."""
KEPT = 256
"""Sums in memory, a few hundred bytes each; the one that was not touched for longest goes first."""


@dataclass(slots=True)
class _Sum:
    hash: _Hash = field(default_factory=hashlib.sha256)
    size: int = 0

    def add(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)


class RunningSums:
    """Sums by the names of their files. Thread-safe as long as each file has one writer (``PartFile``'s lock)."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._sums: OrderedDict[str, _Sum] = OrderedDict()
        self._lock = threading.Lock()

    def feed(self, name: str, offset: int, data: bytes) -> None:
        """``data`` stands at ``offset`` of the file. Ignored unless everything before it was fed, too."""
        known = self._of(name)
        if known.size == offset:
            known.add(data)

    def advance(self, name: str, part: PartFile, seconds: float) -> tuple[int, str]:
        """Read on for at most ``seconds``: how many bytes are summed up, and the sum in hex, "" until it is whole."""
        known, size, end = self._of(name), part.size, time.monotonic() + seconds
        while known.size < size:
            data = part.read(known.size, SLICE)
            known.add(data)
            if not data or (time.monotonic() > end and known.size < size):
                return known.size, ""
        return known.size, known.hash.hexdigest()

    def forget(self, name: str) -> None:
        """The file is not to be summed up any more."""
        with self._lock:
            self._sums.pop(name, None)

    def _of(self, name: str) -> _Sum:
        with self._lock:
            known = self._sums.setdefault(name, _Sum())
            self._sums.move_to_end(name)
            while len(self._sums) > self._kept:
                self._sums.popitem(last=False)
            return known
