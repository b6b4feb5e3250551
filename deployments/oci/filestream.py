"""The packed archive of project files for a node that has zstd: what it lacks, in an order that it knows."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployments.core.filetree_errors import ContentMissing

from .streams import CHUNK
from .tarheader import BLOCK
from .zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from deployments.core.node_input import ArchiveItem

THOROUGH = 8_000_000
"""Bytes up to which an archive is worth the higher level: it takes a fifth of a second at most, on any link."""
_HIGH, _LOW = 9, 3


@dataclass(frozen=True, slots=True)
class There:
    """What the node holds of an archive: items by their index, and of some the first bytes."""

    whole: frozenset[int] = frozenset()
    halves: Mapping[int, int] = field(default_factory=dict)


def pack(data: bytes, before: bytes = b"") -> bytes:
    """One Zstandard frame, for what is small enough to be worth the higher level.

    With ``before`` it is a difference: ``zstd -d --long=27 --patch-from=BEFORE`` reads it.
    """
    if not before:
        return zstd.compress(data, _HIGH)
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _HIGH,
        zstd.CompressionParameter.window_log: min(27, max(10, (len(before) + len(data)).bit_length())),
    }
    packer = zstd.ZstdCompressor(options=options, zstd_dict=zstd.ZstdDict(before, is_raw=True).as_prefix)
    return packer.compress(data, packer.FLUSH_FRAME)


def archive(
    items: Sequence[ArchiveItem],
    path_of: Callable[[ArchiveItem], Path],
    there: There = There(),
    *,
    thorough: bool = False,
) -> Iterator[bytes]:
    """The packed tar of what the node lacks of ``items``, chunk by chunk; nothing at all if it lacks nothing.

    Of an item that is half there, ``p/INDEX.BYTES`` has the rest. Raises ContentMissing when a file is gone or is no
    longer what its SHA-256 says; the stream then ends before the tar does. ``thorough`` is for slow lines. Memory:
    some MiB.
    """
    lacking = [(index, item) for index, item in enumerate(items) if index not in there.whole]
    if not lacking:
        return
    little = sum(item.size for _, item in lacking) <= THOROUGH
    packer = zstd.ZstdCompressor(_HIGH if little or thorough else _LOW)
    for index, item in lacking:
        for chunk in _member(item, path_of(item), index, there.halves.get(index, 0)):
            if packed := packer.compress(chunk):
                yield packed
    yield packer.compress(bytes(2 * BLOCK)) + packer.flush()


def packed_size(paths: Iterable[Path], enough: int) -> int:
    """How large files are when they are compressed each by itself, or the first number found above ``enough``."""
    size = 0
    for path in paths:
        packer = zstd.ZstdCompressor(_LOW)
        with path.open("rb", 0) as file:
            while (data := file.read(CHUNK)) and size <= enough:
                size += len(packer.compress(data))
        size += len(packer.flush())
        if size > enough:
            break
    return size


def _member(item: ArchiveItem, path: Path, index: int, skip: int) -> Iterator[bytes]:
    header = tarfile.TarInfo(f"p/{index}.{skip}" if skip else item.name)
    header.size, header.mode = item.size - skip, 0o600
    yield header.tobuf(tarfile.PAX_FORMAT)
    hashed, at = hashlib.sha256(), 0
    try:
        with path.open("rb", 0) as file:
            while data := file.read(CHUNK):
                hashed.update(data)
                rest = data[max(0, skip - at) :]
                at += len(data)
                if at > item.size:
                    break
                if rest:
                    yield rest
    except FileNotFoundError as error:
        raise ContentMissing("The content of a file is not in the store.") from error
    if at != item.size or hashed.hexdigest() != item.sha256:
        raise ContentMissing(f"The content of {item.name.partition('/')[2]!r} is damaged on this machine's disk.")
    yield bytes(-header.size % BLOCK)
