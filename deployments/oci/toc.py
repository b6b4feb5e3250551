"""The table of contents of a zstd:chunked layer: which bytes a partial pull fetches, from what a node holds. Pure.

Source: containers/storage, docs/containers-storage-zstd-chunked.md and pkg/chunked. The annotation
``manifest-position`` is ``OFFSET:PACKED:UNPACKED:1``: where in the blob the table is, a Zstandard frame of JSON. A
regular file is one entry with its range of the blob; further ones of type ``chunk`` say where its parts begin. podman
takes files, or parts of them, by digest from layers that came by a partial pull, and fetches the other ranges in one
go, over gaps of up to 1024 bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from .documents import Json
from .errors import ImageError
from .zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import BinaryIO

POSITION = "io.github.containers.zstd-chunked.manifest-position"
TAR_SPLIT = "io.github.containers.zstd-chunked.tarsplit-position"
GAP = 1024
RANGES = 1024
"""So many ranges are asked for in one request at most; with more of them the smallest gaps are closed."""
PART = 150
"""Bytes around each range of a multipart answer, about."""
TOC_LIMIT = 50 * 1024 * 1024
"""podman's own."""
_BEGIN = re.compile(r'\s*\{\s*"version"\s*:\s*1\s*,\s*"entries"\s*:\s*\[\s*')
_NEXT = re.compile(r"\s*([,\]])\s*")


class NoToc(Exception):
    """The blob has no table of contents that can be read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of the blob, the digest of the file that it is a part of, and its own ("" if it is the whole file)."""

    digest: str
    chunk: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Toc:
    """The pieces in the order of the blob, and the bytes that are always fetched: the table and the tar's headers."""

    pieces: tuple[Piece, ...]
    overhead: int

    @property
    def contents(self) -> frozenset[str]:
        """The digests of its files and of their parts."""
        return frozenset(digest for piece in self.pieces for digest in (piece.digest, piece.chunk) if digest)


def read_toc(blob: BinaryIO, annotations: Iterable[tuple[str, str]]) -> Toc:
    """The table of an open blob with these annotations. Raises NoToc."""
    notes = dict(annotations)
    start, packed, unpacked = _position(notes.get(POSITION, ""))
    _, tar_split, _ = _position(notes.get(TAR_SPLIT, "0:0:0"))
    if max(packed, unpacked) > TOC_LIMIT:
        raise NoToc("the table is too large")
    blob.seek(start)
    try:
        data = zstd.ZstdDecompressor().decompress(blob.read(packed), unpacked)
        return Toc(_pieces(_entries(data.decode())), packed + tar_split)
    except (zstd.ZstdError, ImageError, EOFError, ValueError, RecursionError) as error:
        raise NoToc(str(error)) from error


def bytes_needed(toc: Toc, held: Collection[str]) -> int:
    """Bytes that a partial pull of this layer fetches by a node that has the contents ``held`` (digests)."""
    ranges: list[tuple[int, int]] = []
    for piece in toc.pieces:
        if piece.digest in held or piece.chunk in held:
            continue
        if ranges and piece.start - ranges[-1][1] <= GAP:
            ranges[-1] = (ranges[-1][0], piece.end)
        else:
            ranges.append((piece.start, piece.end))
    gaps = sorted(after[0] - before[1] for before, after in pairwise(ranges))
    closed = gaps[: max(0, len(ranges) - RANGES)]
    total = sum(end - start for start, end in ranges) + sum(closed)
    return toc.overhead + total + PART * min(len(ranges), RANGES)


def _entries(text: str) -> Iterator[Json]:
    """One after the other: a table of a hundred thousand files is 40 MB of JSON, and would be ten times that in
    memory. Raises ValueError for what is no table."""
    begun = _BEGIN.match(text)
    if begun is None:
        raise ValueError("the table does not begin as one")
    at, decode = begun.end(), json.JSONDecoder().raw_decode
    if text[at : at + 1] == "]":
        return
    while True:
        value, at = decode(text, at)
        yield Json(value, "The table")
        found = _NEXT.match(text, at)
        if found is None:
            raise ValueError("the table is cut off")
        if found[1] == "]":
            return
        at = found.end()


def _pieces(entries: Iterable[Json]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    digest, ends = "", 0
    for entry in entries:
        kind = entry.get("type").text()
        if kind not in ("reg", "chunk"):
            continue
        start = entry.get("offset").count(0)
        if kind == "reg":
            digest, ends = entry.get("digest").text(""), entry.get("endOffset").count(0)
        elif found and found[-1].digest == digest and found[-1].start <= start < found[-1].end:
            found[-1] = replace(found[-1], end=start)  # a part ends where the next one of its file begins
        if digest and ends > start and entry.get("chunkType").text("") != "zeros":
            found.append(Piece(digest, entry.get("chunkDigest").text(""), start, ends))
    return tuple(sorted((piece for piece in found if piece.end > piece.start), key=lambda piece: piece.start))


def _position(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if len(parts) < 3 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts[:3]):
        raise NoToc("an annotation with its place is missing")
    return int(parts[0]), int(parts[1]), int(parts[2])
