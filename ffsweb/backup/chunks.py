"""The encryption of a backup: a sealed key, then a stream of authenticated chunks.

::

    16 bytes  MAGIC
    89 bytes  a sealed box (``ffsweb.sealed``): the file's own 32-byte key, for the private half of a ring
    chunks    CHUNK bytes each, the last one shorter or not, AES-256-GCM, 16 bytes of tag after each

The nonce of a chunk is its number (11 bytes) and whether it is the last (1 byte), as in STREAM (Hoang, Reyhanitabar,
Rogaway and Vizár, 2015). So a chunk that was changed, moved, left out or repeated does not open, and neither does the
last one of a file that was cut, wherever it was cut. No key is ever used for two files, so no nonce comes twice.

Memory: two chunks, whatever the size of the file. A box says nothing about who made it: anybody with the public half
can make a file that opens. What is read from one is therefore checked like an upload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ffsweb.backup.errors import Damaged, WrongKey
from ffsweb.sealed import CannotOpen, Opener, Sealer, Secret, key_of
from ffsweb.sealed.boxes import OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Buffer

MAGIC: Final = b"ffsweb backup 1\n"
CONTEXT: Final = "backup-file-key"
CHUNK: Final = 1 << 20
TAG: Final = 16
KEY: Final = 32
BOX: Final = OVERHEAD + KEY


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of them, or raise OSError."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end."""


class Encrypting:
    """What is written here goes to ``sink`` encrypted. Without :meth:`finish` the file does not open to its end."""

    def __init__(self, sink: Sink, sealer: Sealer) -> None:
        """Write the head."""
        key = AESGCM.generate_key(8 * KEY)
        self._head = MAGIC + sealer.seal(Secret(key), CONTEXT)
        self._aead, self._sink = AESGCM(key), sink
        self._number, self._pending = 0, bytearray()
        self.written = len(self._head)
        sink.write(self._head)

    def write(self, data: Buffer, /) -> int:
        """Take all of ``data``."""
        size = memoryview(data).nbytes
        self._pending += data
        while len(self._pending) > CHUNK:  # not at ==: it may be the last one
            self._put(bytes(self._pending[:CHUNK]), last=False)
            del self._pending[:CHUNK]
        return size

    def flush(self) -> None:
        """Nothing: a chunk is written when it is full."""

    def finish(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._pending), last=True)
        self._pending.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        sealed = self._aead.encrypt(_nonce(self._number, last=last), chunk, self._head)
        self._sink.write(sealed)
        self._number += 1
        self.written += len(sealed)


class Decrypting:
    """Reads what :class:`Encrypting` wrote; never gives a byte that was not authenticated."""

    def __init__(self, source: Source, opener: Opener) -> None:
        """Read the head. Raises Damaged or WrongKey."""
        self._source = source
        self._head = _exactly(source, len(MAGIC) + BOX)
        if not self._head.startswith(MAGIC):
            msg = "This is no backup of ffsweb, or one of a newer version: its first bytes are others."
            raise Damaged(msg)
        if len(self._head) < len(MAGIC) + BOX:
            raise _cut()
        self._aead = AESGCM(_file_key(self._head[len(MAGIC) :], opener))
        self._number, self._chunk, self._last = 0, b"", False
        self._next = _exactly(source, CHUNK + TAG)
        self._place = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes of what was encrypted, ``b""`` after the last one. Raises Damaged."""
        while self._place >= len(self._chunk):
            if self._last:
                return b""
            self._take()
        end = len(self._chunk) if size < 0 else self._place + size
        data = self._chunk[self._place : end]
        self._place += len(data)
        return data

    def _take(self) -> None:
        sealed, self._next = self._next, _exactly(self._source, CHUNK + TAG)
        last = not self._next
        if len(sealed) < TAG:
            raise _cut()
        try:
            self._chunk = self._aead.decrypt(_nonce(self._number, last=last), sealed, self._head)
        except InvalidTag:
            msg = (
                f"The backup was cut, or changed, at or after byte {len(self._head) + self._number * (CHUNK + TAG)}: "
                "a piece of it does not authenticate. Nothing of it was kept. Use another copy."
            )
            raise Damaged(msg) from None
        self._number, self._place, self._last = self._number + 1, 0, last


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _exactly(source: Source, size: int) -> bytes:
    """``size`` bytes, or what there is until the end: pipes give less at a time."""
    parts, left = [], size
    while left:
        data = source.read(left)
        if not data:
            break
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _file_key(box: bytes, opener: Opener) -> bytes:
    try:
        return opener.open(box, CONTEXT).reveal()
    except CannotOpen as error:
        try:
            key = key_of(box)
        except CannotOpen:
            key = "an unknown one"
        msg = (
            f"No key that is here opens this backup: it was made for key {key} of the ring {opener.ring!r}. Nothing "
            "was changed. Take the copy of the keys that holds it (ffs backup --keys wrote it)."
        )
        raise WrongKey(msg) from error


def _cut() -> Damaged:
    return Damaged("The backup was cut off. Nothing of it was kept. Use another copy.")
