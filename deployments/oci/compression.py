"""Unpacking of gzip (RFC 1952), Zstandard (RFC 8878) and bzip2 streams within a budget, and telling which one it is.

Each is read as the programs that make images write it: as several streams, one after the other. xz is recognised and
refused, because it may ask for any amount of memory.
"""

from __future__ import annotations

import bz2
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from .errors import ArchiveError, NotAnArchive, Truncated, Unsupported
from .streams import CHUNK, Budget, Peekable, Readable, expect_only_zeros
from .zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_LOG: Final = 27
"""Up to 2²⁷ bytes (128 MiB) back may a Zstandard stream refer: what ``zstd -d`` allows by itself, and what its
highest levels need. Only such a stream costs that memory; level 19 and what podman and docker write need 8 MiB."""

STREAM_LIMIT: Final = 4_000_000
"""Streams in one file. Zstandard with a table of contents begins one for every 64 KiB or file."""


class _Decoder(Protocol):
    """A decompressor for one stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def feed(self, data: bytes, size: int) -> bytes: ...
    @property
    def hungry(self) -> bool: ...


class _GzipDecoder:
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


class _ZstdDecoder:
    """One frame; a skippable one brings nothing forth."""

    def __init__(self) -> None:
        self._z = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})

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
        try:
            return self._z.decompress(data, size)
        except zstd.ZstdError as error:
            if "too much memory" in str(error):
                raise Unsupported(
                    "A Zstandard stream in the archive needs more than 128 MiB of memory to be unpacked. Compress it "
                    "again with --long=27 or less."
                ) from error
            raise


class Decompressed:
    """The unpacked bytes of a compressed stream, charged to a budget."""

    def __init__(
        self, raw: Readable, decoder: Callable[[], _Decoder], begins: Callable[[bytes], bool], budget: Budget
    ) -> None:
        self._raw, self._new, self._begins, self._budget = Peekable(raw), decoder, begins, budget
        self._decoder: _Decoder | None = decoder()
        self._streams = 1

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
        except (zlib.error, zstd.ZstdError, OSError) as error:
            raise ArchiveError(f"A compressed stream in the archive is damaged ({error}).") from error
        if decoder.eof:
            self._next_stream(decoder.unused_data)
        return data

    def _next_stream(self, rest: bytes) -> None:
        """After the end of one stream: another one, nothing, or zero padding as tape programs write it."""
        self._raw.push_back(rest)
        self._streams += 1
        if self._streams > STREAM_LIMIT:
            raise Unsupported(f"A compressed file in the archive consists of more than {STREAM_LIMIT} streams.")
        if self._begins(self._raw.peek(4)):
            self._decoder = self._new()
            return
        self._decoder = None
        expect_only_zeros(self._raw)


def is_gzip(head: bytes) -> bool:
    """Whether these first bytes begin a gzip stream."""
    return head.startswith(b"\x1f\x8b\x08")


def is_bzip2(head: bytes) -> bool:
    """Whether these first bytes begin a bzip2 stream."""
    return head.startswith(b"BZh")


def is_zstd(head: bytes) -> bool:
    """Whether these first bytes begin a Zstandard frame, or a skippable one (RFC 8878, 3.1)."""
    return head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50)


def gunzip(raw: Readable, budget: Budget) -> Decompressed:
    """The unpacked bytes of a gzip stream (RFC 1952), of several members if there are."""
    return Decompressed(raw, _GzipDecoder, is_gzip, budget)


def bunzip(raw: Readable, budget: Budget) -> Decompressed:
    """The unpacked bytes of a bzip2 stream."""
    return Decompressed(raw, _Bzip2Decoder, is_bzip2, budget)


def unzstd(raw: Readable, budget: Budget) -> Decompressed:
    """The unpacked bytes of Zstandard frames (RFC 8878); skippable frames among them are skipped."""
    return Decompressed(raw, _ZstdDecoder, is_zstd, budget)


def unpacked_layer(raw: Readable, head: bytes, budget: Budget) -> Decompressed | None:
    """What is in a blob whose first bytes are ``head``, if it is packed as layers are (gzip or Zstandard)."""
    if is_gzip(head):
        return gunzip(raw, budget)
    return unzstd(raw, budget) if is_zstd(head) else None


def open_outer(raw: Readable, budget: Budget, *, empty: str) -> Peekable:
    """The tar stream in an upload, unpacked if it is compressed. ``empty`` is said of an empty upload."""
    outer = Peekable(raw)
    head = outer.peek(6)
    if not head:
        raise NotAnArchive(empty)
    unpacked = bunzip(outer, budget) if is_bzip2(head) else unpacked_layer(outer, head, budget)
    if unpacked is not None:
        return Peekable(unpacked)
    if head == b"\xfd7zXZ\x00":
        raise Unsupported("The archive is compressed with xz, which is not read. Use zstd, gzip, or no compression.")
    return outer
