"""File locks of the form cache: taken by polling, so that a wait can be given up, on files that may be removed."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .forms_errors import FormStopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

_POLL = 0.05


@contextmanager
def held(path: Path, stop: threading.Event) -> Iterator[None]:
    """The exclusive lock on ``path``, which is made; waits until its holder is done. Raises FormStopped."""
    while True:
        descriptor = _open(path)
        try:
            while not _take(descriptor, fcntl.LOCK_EX):
                if stop.wait(_POLL):
                    raise FormStopped("The conversion was stopped.")
            if _same(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def held_now(path: Path) -> Iterator[bool]:
    """The same without waiting; False if somebody else has it."""
    descriptor = _open(path)
    try:
        yield _take(descriptor, fcntl.LOCK_EX) and _same(descriptor, path)
    finally:
        os.close(descriptor)


def share(path: Path) -> int | None:
    """A descriptor with the shared lock on an existing file; close it to give it back. None if it is gone.

    Waits for nobody: who has it exclusively is about to remove it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if _take(descriptor, fcntl.LOCK_SH) and _same(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one under this name: it may have been removed before the lock was taken."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)
