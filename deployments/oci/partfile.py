"""A file that comes in parts: each is written at its end, by one writer at a time, and what arrived stays.

The size of the file is the only record of how far it is, so it tells the truth after a crash of whoever writes.

    PartFileError
    ├── InUse           somebody else writes it, or sums it up
    ├── Vanished        it is not there (any more): discarded, expired, or never begun
    ├── WrongOffset     the part begins elsewhere than the file ends
    └── NotWritten      the disk did not take all of it; what it took stays
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class PartFileError(Exception):
    """The text is for people."""


class InUse(PartFileError):
    """Another writer holds the file."""

    def __init__(self) -> None:
        super().__init__(
            "Another request is sending to this upload. Wait until it has ended, and ask for the offset."
        )


class Vanished(PartFileError):
    """There is no such file, or somebody removed it meanwhile."""

    def __init__(self) -> None:
        super().__init__("This upload is gone: it was discarded or has expired. Nothing of it was kept.")


class WrongOffset(PartFileError):
    """``actual``: where the file ends, in bytes."""

    def __init__(self, claimed: int, actual: int) -> None:
        super().__init__(f"The part begins at byte {claimed}, but {actual} bytes are here. Go on from there.")
        self.actual = actual


class NotWritten(PartFileError):
    """The operating system refused to write; what was written before stays."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The dashboard's disk took no more: {reason}. What arrived is kept; go on when there is room again."
        )


class PartFile:
    """An open, locked file. A context manager; opening raises InUse or Vanished.

    The lock is flock(2)'s: it ends with the process at the latest.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags)
        except FileNotFoundError as error:
            raise Vanished from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.check_there()  # somebody may have removed it between the two
        except BlockingIOError as error:
            os.close(self._file)
            raise InUse from error
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._file).st_size

    def check_there(self) -> None:
        """Raises Vanished if the file has no name any more: what is written to it then is lost."""
        if not os.fstat(self._file).st_nlink:
            raise Vanished

    def append(self, data: bytes) -> None:
        """Write ``data`` at the end. Raises Vanished, or NotWritten: then a part of it may have been written."""
        self.check_there()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise NotWritten(os.strerror(error.errno or 0)) from error

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on."""
        return os.pread(self._file, size, offset)

    def sync(self) -> None:
        """Wait until the disk has it, fsync(2)."""
        os.fsync(self._file)

    def close(self) -> None:
        """Give the lock back; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def begin(path: Path) -> None:
    """Make the empty file, readable by nobody else; its directory too. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def arrived(path: Path) -> int | None:
    """Bytes that are there; None if the file is not. One stat(2)."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
