"""Files being written: hashed, counted, and put in place under their digest when everything is known to be right."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .digests import from_hash, hex_of
from .errors import DiskFull
from .streams import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RESERVE = 512 * 1024 * 1024
"""Bytes that a writer leaves free on the file system, because the dashboard's database may be on it too."""

_LOOK_EVERY = 64 * 1024 * 1024
_SYNC_ALL = 50
"""From so many files on, one sync of everything costs less than one for each."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A finished temporary file with the digest and size of what is in it."""

    path: Path
    digest: str
    size: int


class Workspace:
    """A writer's place for temporary files; all that was not kept is gone when it closes."""

    def __init__(self, directory: Path, target: Path) -> None:
        self._directory, self._target = directory, target
        self._count = 0
        self._kept: set[str] = set()
        self._until_look = 0

    @contextmanager
    def write(self) -> Iterator[DraftWriter]:
        """A new temporary file; ``writer.draft`` is set when the block ends without an exception."""
        self._count += 1
        path = self._directory / str(self._count)
        with disk_errors():
            writer = DraftWriter(self, path)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()

    def keep(self, drafts: Iterable[Draft]) -> None:
        """Put drafts in place under their digests, durably. Replaces what is there under the same digest.

        What this workspace kept already (a layer that two images share) is there and is passed over.
        """
        once = {draft.digest: draft for draft in drafts if draft.digest not in self._kept}.values()
        with disk_errors():
            if len(once) > _SYNC_ALL:
                os.sync()
            else:
                for draft in once:
                    sync(draft.path)
            for draft in once:
                os.utime(draft.path)
                draft.path.replace(self._target / hex_of(draft.digest))
                self._kept.add(draft.digest)
            sync(self._target)

    def room(self, size: int) -> None:
        """Raise DiskFull when writing ``size`` more bytes would eat into the reserve. Looks every 64 MiB."""
        self._until_look -= size
        if self._until_look > 0:
            return
        self._until_look = _LOOK_EVERY
        free = shutil.disk_usage(self._directory).free
        if free < RESERVE + _LOOK_EVERY:
            raise DiskFull(f"The data directory's disk has only {size_text(free)} left.")


class DraftWriter:
    """Hashes and writes one temporary file."""

    def __init__(self, workspace: Workspace, path: Path) -> None:
        self._workspace, self._path = workspace, path
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0)
        self._hash = hashlib.sha256()
        self.size = 0
        self.draft: Draft

    def write(self, data: bytes) -> None:
        """Append. Raises DiskFull."""
        self._workspace.room(len(data))
        self._hash.update(data)
        with disk_errors():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self.size += len(data)

    def finish(self) -> None:
        """Set ``draft``."""
        self.draft = Draft(self._path, from_hash(self._hash), self.size)

    def close(self) -> None:
        """Close the file; the workspace removes it."""
        self._file.close()


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The data directory's disk is full.") from error
        raise


def sync(path: Path) -> None:
    """Make a file's content, or the renames within a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
