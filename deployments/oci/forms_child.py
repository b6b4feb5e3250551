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

from deployments.oci.forms_values import window_log
from deployments.oci.zstd import zstd

CHUNK = 1024 * 1024
DAMAGED = 3
SHORTEST = 8  # bytes of a prefix
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
            return _pack(options, None, diff_id, source, target)
        case ["delta", level, diff_id, base, source, target]:
            old = Path(base).read_bytes()
            window = window_log(max(len(old), Path(source).stat().st_size))
            options = {
                _P.compression_level: int(level),
                _P.window_log: window,
                _P.enable_long_distance_matching: 1,
            }
            prefix = zstd.ZstdDict(old, is_raw=True).as_prefix if len(old) >= SHORTEST else None
            return _pack(options, prefix, diff_id, source, target)
    return 2


def _pack(options: dict[Any, int], prefix: Any, diff_id: str, source: str, target: str) -> int:
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
        return DAMAGED
    sys.stdout.write(json.dumps({"digest": f"sha256:{written.hexdigest()}", "size": size}) + "\n")
    return 0


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
