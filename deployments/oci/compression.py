"""Unpacking of gzip (RFC 1952) and bzip2 streams within a budget, and telling what an upload is packed with.

zstd and xz are recognised and refused: the standard library of Python 3.11 reads no zstd, and xz may ask for any
amount of memory.
"""

from __future__ import annotations

import bz2
import zlib
from typing import TYPE_CHECKING, Protocol

from .errors import ArchiveError, NotAnArchive, Truncated, Unsupported
from .streams import CHUNK, Budget, Peekable, Readable, expect_only_zeros

if TYPE_CHECKING:
    from collections.abc import Callable


class _Decoder(Protocol):
    """A decompressor for one stream; gzip and bzip2 files may hold several, one after the other."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def feed(self, data: bytes, size: int) -> bytes: ...
    @property
    def hungry(self) -> bool: ...


class _GzipDecoder:
    magic = b"\x1f\x8b\x08"

    def __init__(self) -> None:
        self._z = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    @property
    def hungry(self) -> bool:
        return not self._z.unconsumed_tail

    def feed(self, data: bytes, size: int) -> bytes:
        return self._z.decompress(self._z.unconsumed_tail + data, size)


class _Bzip2Decoder:
    magic = b"BZh"

    def __init__(self) -> None:
        self._z = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    @property
    def hungry(self) -> bool:
        return self._z.needs_input

    def feed(self, data: bytes, size: int) -> bytes:
        return self._z.decompress(data, size)


class Decompressed:
    """The unpacked bytes of a gzip or bzip2 stream, charged to a budget."""

    def __init__(self, raw: Readable, decoder: Callable[[], _Decoder], magic: bytes, budget: Budget) -> None:
        self._raw, self._new, self._magic, self._budget = raw, decoder, magic, budget
        self._decoder: _Decoder | None = decoder()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes. Raises Truncated, TrailingData, Expands, or ArchiveError if it is damaged."""
        data = b""
        while self._decoder is not None and not data:
            data = self._some(self._decoder, size)
        self._budget.charge(len(data))
        return data

    def _some(self, decoder: _Decoder, size: int) -> bytes:
        packed = b""
        if decoder.hungry:
            packed = self._raw.read(CHUNK)
            if not packed:
                raise Truncated("A compressed stream in the archive ends before it is complete.")
        try:
            data = decoder.feed(packed, size)
        except (zlib.error, OSError) as error:
            raise ArchiveError(f"A compressed stream in the archive is damaged ({error}).") from error
        if decoder.eof:
            self._next_stream(decoder.unused_data)
        return data

    def _next_stream(self, rest: bytes) -> None:
        """After the end of one stream: another one, nothing, or zero padding as tape programs write it."""
        peekable = Peekable(_Chained(rest, self._raw))
        self._raw = peekable
        if peekable.peek(len(self._magic)) == self._magic:
            self._decoder = self._new()
            return
        self._decoder = None
        expect_only_zeros(peekable)


class _Chained:
    """Bytes that were read too far, then the stream they came from."""

    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int) -> bytes:
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        return self._rest.read(size)


def gunzip(raw: Readable, budget: Budget) -> Decompressed:
    """The unpacked bytes of a gzip stream (RFC 1952), of several members if there are."""
    return Decompressed(raw, _GzipDecoder, _GzipDecoder.magic, budget)


def bunzip(raw: Readable, budget: Budget) -> Decompressed:
    """The unpacked bytes of a bzip2 stream."""
    return Decompressed(raw, _Bzip2Decoder, _Bzip2Decoder.magic, budget)


def is_gzip(head: bytes) -> bool:
    """Whether these first bytes begin a gzip stream."""
    return head.startswith(_GzipDecoder.magic)


def is_bzip2(head: bytes) -> bool:
    """Whether these first bytes begin a bzip2 stream."""
    return head.startswith(_Bzip2Decoder.magic)


def is_zstd(head: bytes) -> bool:
    """Whether these first bytes begin a Zstandard frame, or a skippable one (RFC 8878, 3.1)."""
    return head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50)


def open_outer(raw: Readable, budget: Budget, *, empty: str) -> Peekable:
    """The tar stream in an upload, unpacked if it is gzip or bzip2. ``empty`` is said of an empty upload."""
    outer = Peekable(raw)
    head = outer.peek(6)
    if not head:
        raise NotAnArchive(empty)
    if is_gzip(head):
        return Peekable(gunzip(outer, budget))
    if is_bzip2(head):
        return Peekable(bunzip(outer, budget))
    if is_zstd(head):
        raise Unsupported("The archive is compressed with zstd, which is not read. Use gzip, or no compression.")
    if head == b"\xfd7zXZ\x00":
        raise Unsupported("The archive is compressed with xz, which is not read. Use gzip, or no compression.")
    return outer
