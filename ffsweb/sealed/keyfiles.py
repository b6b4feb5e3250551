"""Files that hold keys: written once, durable before they have their name, read only when nobody else could.

Modes and owner are taken from the open file, not from its path, so nothing can be swapped in between.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ffsweb.sealed.errors import RingUnsafe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES: Final = 4096  # a PEM X25519 key has about 120


def write(file: Path, data: bytes) -> None:
    """Create ``file`` with mode 0600 and make it durable; ``FileExistsError`` if it is there.

    It gets its name only when it is whole: an interrupted write leaves ``NAME.new``, which nothing reads.
    """
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)  # from an interrupted write; the ring is locked or private here
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)  # whatever the umask took away
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(new, file)  # unlike rename, never replaces a key
    finally:
        new.unlink()
    sync_directory(file.parent)


def read(file: Path, *, forbidden: int, root_may_own: bool) -> bytes:
    """The content of a regular file of ours with none of the ``forbidden`` mode bits; else ``RingUnsafe``."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        msg = f"{file} could not be read: {error.strerror}. Nothing was loaded."
        raise RingUnsafe(msg) from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            msg = f"{file} is no regular file. Nothing was loaded."
            raise RingUnsafe(msg)
        _check(file, status, forbidden=forbidden, root_may_own=root_may_own, wanted=0o600)
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        msg = f"{file} is too large for a key. Nothing was loaded."
        raise RingUnsafe(msg)
    return data


def check_directory(path: Path, *, forbidden: int) -> None:
    """Refuse (``RingUnsafe``) a directory with one of the ``forbidden`` mode bits, or of another owner."""
    _check(path, path.stat(), forbidden=forbidden, root_may_own=True, wanted=0o700)


def sync_directory(path: Path) -> None:
    """Make the directory's names durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One writer at a time; the lock ends with the process."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _check(path: Path, status: os.stat_result, *, forbidden: int, root_may_own: bool, wanted: int) -> None:
    me = os.geteuid()
    owners = {me, 0} if root_may_own else {me}
    if status.st_uid not in owners:
        msg = (
            f"{path} belongs to user {status.st_uid}, but this process runs as user {me}. Nothing was loaded. "
            f"Run as its owner, or give it to this user: chown {me} {path}"
        )
        raise RingUnsafe(msg)
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        msg = (
            f"{path} has mode {mode:04o}, so others may have read or changed it. Nothing was loaded. "
            f"If nobody did: chmod {wanted:04o} {path}. If somebody may have: rotate the ring and what it sealed."
        )
        raise RingUnsafe(msg)
