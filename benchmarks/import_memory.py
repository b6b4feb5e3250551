"""How much memory an import of a large image archive takes, and how fast it is.

::

    python -m benchmarks.import_memory                      10 GB, plain, below the system's temporary directory
    python -m benchmarks.import_memory --size 2e9 --form zstd --directory /somewhere

An archive as ``podman save`` writes it is made on disk (its layers: files of slices of random bytes and of text, so
that it packs to about half), then imported into an empty store by a fresh process, whose peak resident memory is
what the kernel says (VmHWM of proc_pid_status(5): ru_maxrss would count the parent's too). ``zstd-long`` is with the
longest window that is read, which costs 128 MiB more. Needs twice the size on disk, and leaves nothing. Exit status 1
if the peak is not below the target.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from deployments.oci.archive import import_images
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store
from deployments.oci.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = 200_000_000
"""Bytes of resident memory that an import stays below."""
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


def peak() -> int:
    """Bytes of memory that this process had resident at most."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def child(path: Path, directory: Path) -> None:
    """What the fresh process does: import, and tell what it took."""
    before = peak()
    began = time.monotonic()
    limits = ImageLimits(archive_bytes=2**40, expanded_bytes=2**40, layer_bytes=2**40)
    (image,) = import_images(path, Store(directory), limits)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "before": before,
        "peak": peak(),
        "bytes": image.size,
    }
    sys.stdout.write(json.dumps(told))


def main() -> int:
    """Make the archive, import it, print one line; 0 if the memory stayed below the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=10e9, help="bytes of the layers, uncompressed (10e9)")
    parser.add_argument(
        "--form", choices=("plain", "gzip", "zstd", "zstd-long"), default="plain", help="what the archive is"
    )
    parser.add_argument("--directory", type=Path, help="where there is room for twice the size")
    parser.add_argument("--import", nargs=2, type=Path, dest="what", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what:
        child(*options.what)
        return 0
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        free = shutil.disk_usage(directory).free
        if free < 2.2 * options.size:
            parser.error(f"{directory} has {free / 1e9:.0f} GB free, {2.2 * options.size / 1e9:.0f} GB are needed")
        path = directory / "image.tar"
        with opened(path, options.form) as out:
            write(out, int(options.size))
        told = json.loads(
            subprocess.run(
                (sys.executable, "-m", "benchmarks.import_memory", "--import", path, directory / "store"),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        packed = path.stat().st_size
    rate = told["bytes"] / 1e6 / told["seconds"]
    print(
        f"{options.form}: {packed / 1e9:.2f} GB archive, {told['bytes'] / 1e9:.2f} GB of layers in "
        f"{told['seconds']:.1f} s ({rate:.0f} MB/s of layers, {told['cpu']:.1f} s of CPU); peak RSS "
        f"{told['peak'] / 1e6:.0f} MB ({told['before'] / 1e6:.0f} MB before), target {TARGET / 1e6:.0f} MB"
    )
    return 0 if told["peak"] < TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
