"""A large image archive as ``podman save`` writes it: layers of files of random bytes and of text, half and half."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from deployments.oci.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYERS = 5
FILE = 16 * 1024 * 1024
"""Bytes of one file of a layer."""
POOL = 48 * 1024 * 1024
PIECE = 1024 * 1024


class Source:
    """Bytes without end: slices of random bytes, too far apart for a compressor to find again, and as much text."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._pool = self._random.randbytes(POOL)
        self._text = b"Mon Nov 24 04:17:11 UTC 2026 a line as logs and sources have them\n" * (PIECE // 2 // 66 + 1)

    def piece(self) -> bytes:
        """One MiB."""
        at = self._random.randrange(POOL - PIECE // 2)
        return self._pool[at : at + PIECE // 2] + self._text[: PIECE // 2]


def header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def layer(source: Source, files: int) -> Iterator[bytes]:
    """A layer's tar, piece by piece."""
    for number in range(files):
        yield header(f"data/{number:06}", FILE)
        for _ in range(FILE // PIECE):
            yield source.piece()
    yield bytes(1024)


def write(out: BinaryIO, size: int) -> int:
    """Write the archive's tar; the number of bytes of its layers."""
    source, diff_ids, total = Source(), [], 0
    files = max(1, size // LAYERS // FILE)
    for number in range(LAYERS):
        length = files * (512 + FILE) + 1024
        out.write(header(f"{number}/layer.tar", length))
        hashed = hashlib.sha256()
        for piece in layer(source, files):
            hashed.update(piece)
            out.write(piece)
        diff_ids.append(f"sha256:{hashed.hexdigest()}")
        total += length
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": ["localhost/large:1"]}]
    manifest[0]["Layers"] = [f"{number}/layer.tar" for number in range(LAYERS)]
    documents = {"config.json": config, "manifest.json": json.dumps(manifest).encode()}
    out.writelines(header(name, len(data)) + data + bytes(-len(data) % 512) for name, data in documents.items())
    out.write(bytes(1024))
    return total


@contextmanager
def opened(path: Path, form: str) -> Iterator[BinaryIO]:
    """A file to write the archive to, packed as asked for."""
    match form:
        case "gzip":
            with gzip.open(path, "wb", compresslevel=1) as out:
                yield out  # type: ignore[misc]  # a GzipFile is as good as a BinaryIO here
        case "zstd" | "zstd-long":
            wanted: dict[int, int] = {zstd.CompressionParameter.compression_level: 1}
            if form == "zstd-long":
                wanted[zstd.CompressionParameter.window_log] = 27
            with zstd.open(path, "wb", options=wanted) as out:
                yield out  # type: ignore[misc]  # nor a ZstdFile
        case _:
            with path.open("wb") as out:
                yield out
