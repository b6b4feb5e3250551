"""Content-addressed files: ``sha256/HEX`` below a directory, written by many processes at once.

A blob appears under its name complete or not at all: it is written to a temporary file of the same file system,
fsynced and renamed. Writers hold a shared lock while they work; whoever removes blobs holds it exclusively, so a
temporary file found under the exclusive lock belongs to nobody alive.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .digests import from_hash, hex_of, is_hex
from .drafts import Workspace, disk_errors, sync
from .errors import BlobDamaged, BlobMissing, StoreBusy
from .streams import CHUNK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

GRACE = 3600.0
"""Seconds for which a new blob stays though nothing refers to it: its row may not have been written yet."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a collection removed: blobs and their bytes; and what stayed."""

    blobs: int
    size: int
    kept_blobs: int = 0
    kept_size: int = 0


class BlobDirectory:
    """The blobs below ``root`` (``root/sha256/HEX``), with temporary files and the lock in ``scratch``."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.directory = root / "sha256"
        self._scratch = scratch
        with disk_errors():
            for directory in (root, self.directory, scratch):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a blob is or would be. Raises ValueError for what is no digest."""
        return self.directory / hex_of(digest)

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def size(self, digest: str) -> int:
        """Bytes of a blob. Raises BlobMissing."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError as error:
            raise BlobMissing(f"The blob {digest} is not in the store.") from error

    def open(self, digest: str) -> BinaryIO:
        """A blob for reading, unbuffered. Raises BlobMissing."""
        try:
            return self.path(digest).open("rb", 0)
        except FileNotFoundError as error:
            raise BlobMissing(f"The blob {digest} is not in the store.") from error

    def verify(self, digest: str) -> None:
        """Read a blob and compare its digest. Raises BlobMissing or BlobDamaged. Costs one read of the file."""
        hashed = hashlib.sha256()
        with self.open(digest) as blob:
            while chunk := blob.read(CHUNK):
                hashed.update(chunk)
        if from_hash(hashed) != digest:
            raise BlobDamaged(f"The blob {digest} is damaged on this machine's disk.")

    def digests(self) -> Iterator[str]:
        """Every blob there is, in no order."""
        for entry in os.scandir(self.directory):
            if is_hex(entry.name):
                yield f"sha256:{entry.name}"

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """A place to write new blobs. Waits while a collection runs; everything not kept is removed at the end."""
        with self._locked(fcntl.LOCK_SH), disk_errors():
            directory = Path(tempfile.mkdtemp(prefix="new-", dir=self._scratch))
            try:
                yield Workspace(directory, self.directory)
            finally:
                shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody writes while this lasts, and what dead writers left is gone. Raises StoreBusy if somebody does."""
        with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for left in self._scratch.glob("new-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is removed while this lasts; writers go on. Waits while a collection runs."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def younger_than(self, seconds: float) -> set[str]:
        """The blobs that were written, or taken in again, less than ``seconds`` ago."""
        since = time.time() - seconds
        return {digest for digest in self.digests() if self.path(digest).stat().st_mtime > since}

    def remove_all_but(self, keep: Collection[str]) -> Removed:
        """Remove the blobs that are not in ``keep``. Call it within ``alone``."""
        blobs = size = kept_blobs = kept_size = 0
        for digest in list(self.digests()):
            path = self.path(digest)
            bytes_there = path.stat().st_size
            if digest in keep:
                kept_blobs, kept_size = kept_blobs + 1, kept_size + bytes_there
                continue
            path.unlink()
            blobs, size = blobs + 1, size + bytes_there
        sync(self.directory)
        return Removed(blobs, size, kept_blobs, kept_size)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self._scratch / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, how)
            except BlockingIOError as error:
                raise StoreBusy("An upload is being taken in.") from error
            yield
        finally:
            os.close(descriptor)
