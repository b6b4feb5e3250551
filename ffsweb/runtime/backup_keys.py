"""The keys that a backup is opened with: those of FFSWEB_KEYS, or of a copy, unpacked for as long as it takes."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ffsweb.runtime.passphrase import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.sealed import Opener


@dataclass(frozen=True, slots=True)
class Keys:
    """The opener of the ring ``worker``, the names of all private keys by ring, and where their files are."""

    opener: Opener
    names: dict[str, set[str]]
    directory: Path


@contextmanager
def keys_at(copy: str | None, passphrase_file: str | None, keys: Path) -> Iterator[Keys]:
    """The keys of ``copy`` if there is one, else those in ``keys``. Raises SealedError, Damaged or WrongKey.

    A copy is unpacked into a private directory, in memory where there is /dev/shm, which is gone at the end.
    """
    if copy is None:
        yield _keys(keys)
        return
    from ffsweb.backup import keyfile
    from ffsweb.backup.errors import Damaged

    try:
        with Path(copy).open("rb") as file:
            data = file.read(keyfile.LIMIT + 1)
    except OSError as error:
        raise Damaged(f"{copy} could not be read: {error.strerror}. Nothing was changed.") from error
    files = keyfile.decode(data, ask(passphrase_file))
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - in a directory of our own
    with tempfile.TemporaryDirectory(prefix="ffsweb-keys-", dir=memory) as name:
        for path, content in files.items():
            place = Path(name) / path
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.touch(0o600)
            place.write_bytes(content)
        yield _keys(Path(name))


@contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """A backup for reading; ``-`` is standard input. Raises Damaged."""
    from ffsweb.backup.errors import Damaged

    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise Damaged(f"{name} could not be read: {error.strerror}. Nothing was changed.") from error
    with file:
        yield file


def _keys(directory: Path) -> Keys:
    from ffsweb.backup import keyfile
    from ffsweb.sealed import Opener

    return Keys(Opener.load(directory, "worker"), keyfile.private_names(directory), directory)
