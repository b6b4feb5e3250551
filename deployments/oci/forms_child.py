"""The child process that makes one form: ``python -m deployments.oci.forms_child PARENT NICE KIND …``.

``zstd LEVEL WORKERS DIFFID IN OUT`` and ``delta LEVEL DIFFID BASE IN OUT`` write a Zstandard frame (RFC 8878) of IN
and answer one JSON line ``{"digest": …, "size": …}``. A delta has BASE as a raw prefix: ``zstd -d
--patch-from=BASE``. IN is hashed on the way, so that what a bad disk has changed never leaves the machine.
``exec ARGV…`` becomes ARGV. Exit status 3: IN is not the layer that its name says. It ends with the process
PARENT.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

from deployments.oci.forms_values import SHORTEST, window_log
from deployments.oci.parcel import packed
from deployments.oci.zstd import zstd

CHUNK = 1024 * 1024
DAMAGED = 3
SMALL, EVEN = 64 * 1024, 15
"""Up to so many bytes a delta is made at this level too: one of 200 blocks that are copied is a little larger by it,
and half as large packed again, since its blocks are alike (measured: 2.6 and 0.6 kB at 19, 2.9 and 0.3 kB at 15)."""
LONG_FROM, LONG = 12, 27
"""From this level on a window of 128 MiB, the most that ``zstd -d`` takes by itself: it packs 2 % better and is
twice as fast (measured at 19, because long matches need no search)."""
_PDEATHSIG = 1  # prctl(2)
_P = zstd.CompressionParameter


def main(parent: int, nice: int, arguments: list[str]) -> int:
    """Make it; the exit status."""
    _end_with(parent)
    os.nice(nice)
    match arguments:
        case ["exec", *argv]:
            os.execvp(argv[0], argv)  # noqa: S606 - an argument list of forms_make's own
        case ["zstd", level, workers, diff_id, source, target]:
            options = {_P.compression_level: int(level), _P.nb_workers: int(workers)}
            if int(level) >= LONG_FROM:
                options |= {_P.window_log: LONG, _P.enable_long_distance_matching: 1}
            return _tell(_pack(options, None, diff_id, source, target))
        case ["delta", level, diff_id, base, source, target]:
            return _tell(_delta(int(level), diff_id, base, source, target))
    return 2


def _tell(made: tuple[str, int] | None) -> int:
    if made is None:
        return DAMAGED
    sys.stdout.write(json.dumps({"digest": made[0], "size": made[1]}) + "\n")
    return 0


def _delta(level: int, diff_id: str, base: str, source: str, target: str) -> tuple[str, int] | None:
    """A small one is packed again where it rides along with a request, so what counts is what is left of it then."""
    old = Path(base).read_bytes()
    prefix = zstd.ZstdDict(old, is_raw=True).as_prefix if len(old) >= SHORTEST else None
    options = {
        _P.compression_level: level,
        _P.window_log: window_log(max(len(old), Path(source).stat().st_size)),
        _P.enable_long_distance_matching: 1,
    }
    made = _pack(options, prefix, diff_id, source, target)
    if made is None or made[1] > SMALL or level <= EVEN:
        return made
    other = Path(f"{target}.{EVEN}")
    again = _pack(options | {_P.compression_level: EVEN}, prefix, diff_id, source, str(other))
    if again is not None and _packed_again(other) < _packed_again(Path(target)):
        other.replace(target)
        return again
    other.unlink()
    return made


def _packed_again(path: Path) -> int:
    return len(packed((path.read_bytes(),)))


def _pack(options: dict[Any, int], prefix: Any, diff_id: str, source: str, target: str) -> tuple[str, int] | None:
    """Digest and bytes of what was written; None if the source is not the layer that its name says."""
    read, written, size = hashlib.sha256(), hashlib.sha256(), 0
    with Path(source).open("rb", 0) as old, Path(target).open("xb", 0) as new:
        packer = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
        packer.set_pledged_input_size(os.fstat(old.fileno()).st_size)
        while data := old.read(CHUNK):
            read.update(data)
            size += _write(new, written, packer.compress(data))
        size += _write(new, written, packer.flush())
        os.fsync(new.fileno())
    if f"sha256:{read.hexdigest()}" != diff_id:
        return None
    return f"sha256:{written.hexdigest()}", size


def _write(file: BinaryIO, hashed: Any, data: bytes) -> int:
    hashed.update(data)
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    return len(data)


def _end_with(parent: int) -> None:
    """A killed worker leaves no child behind (prctl(2), PR_SET_PDEATHSIG; it outlives execve)."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)  # it died before


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
