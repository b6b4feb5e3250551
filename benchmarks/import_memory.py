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
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.large_archive import opened, write
from benchmarks.push.results import Imported
from benchmarks.push.targets import IMPORT_BYTES
from deployments.oci.archive import import_images
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store


class NoRoom(Exception):
    """The disk is too small for it."""


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


def measured(size: float, form: str, directory: Path | None) -> Imported:
    """Make an archive with so many bytes of layers, import it in a fresh process, leave nothing. Raises NoRoom."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        place = Path(name)
        free = shutil.disk_usage(place).free
        if free < 2.2 * size:
            raise NoRoom(f"{place} has {free / 1e9:.0f} GB free, {2.2 * size / 1e9:.0f} GB are needed")
        path = place / "image.tar"
        with opened(path, form) as out:
            write(out, int(size))
        told = json.loads(
            subprocess.run(
                (sys.executable, "-m", "benchmarks.import_memory", "--import", path, place / "store"),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        return Imported(
            form=form,
            archive_bytes=path.stat().st_size,
            layer_bytes=told["bytes"],
            seconds=told["seconds"],
            processor_seconds=told["cpu"],
            memory_before=told["before"],
            memory_peak=told["peak"],
        )


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
    try:
        found = measured(options.size, options.form, options.directory)
    except NoRoom as error:
        parser.error(str(error))
    rate = found.layer_bytes / 1e6 / found.seconds
    print(
        f"{found.form}: {found.archive_bytes / 1e9:.2f} GB archive, {found.layer_bytes / 1e9:.2f} GB of layers in "
        f"{found.seconds:.1f} s ({rate:.0f} MB/s of layers, {found.processor_seconds:.1f} s of CPU); peak RSS "
        f"{found.memory_peak / 1e6:.0f} MB ({found.memory_before / 1e6:.0f} MB before), "
        f"target {IMPORT_BYTES / 1e6:.0f} MB"
    )
    return 0 if found.memory_peak < IMPORT_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
