"""Files are read through and compared with their digests before they are sent: once, as long as they stay the same.

A file counts as the same by device, inode, size and time of its last change. What was found is in this process's
memory: another one looks for itself.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

from .digests import from_hash
from .errors import BlobDamaged, BlobMissing
from .streams import CHUNK

if TYPE_CHECKING:
    from pathlib import Path

_Same = tuple[int, int, int, int]

_lock = threading.Lock()
_seen: dict[str, _Same] = {}
_reading: dict[str, threading.Lock] = {}


def verify_once(path: Path, digest: str) -> None:
    """Raises BlobMissing, or BlobDamaged if the file is not what the digest says.

    Costs one read of the file the first time, and one stat afterwards; of several threads at once, one reads.
    """
    with _lock:
        turn = _reading.setdefault(digest, threading.Lock())
    with turn:
        try:
            file = path.open("rb", 0)
        except FileNotFoundError as error:
            raise BlobMissing(f"The blob {digest} is gone.") from error
        with file:
            now = _same(file.fileno())
            with _lock:
                if _seen.get(digest) == now:
                    return
            hashed = hashlib.sha256()
            while data := file.read(CHUNK):
                hashed.update(data)
            if from_hash(hashed) != digest:
                raise BlobDamaged(f"The blob {digest} is damaged on this machine's disk.")
            with _lock:
                _seen[digest] = now


def _same(descriptor: int) -> _Same:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
