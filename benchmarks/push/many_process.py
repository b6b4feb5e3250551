"""The process that runs one operation and tells what it took: ``python -m benchmarks.push.many_process ID``.

It is what a worker is for that operation, and nothing else, so its memory and its reads are the operation's.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from ffsweb.runtime.loading import load_django


def main(operation: str) -> None:
    """Prints one line of JSON; all sizes are in bytes."""
    os.environ["FFSWEB_LOG_LEVEL"] = "ERROR"
    load_django("command")
    from benchmarks.push import stage_kind
    from ffsweb.operations import runner
    from ffsweb.operations.models import Operation
    from ffsweb.runtime.worker import stand_back

    stand_back()
    stage_kind.install()
    before, read = _memory("VmRSS"), _reads()
    Path("/proc/self/clear_refs").write_text("5\n")  # begin a new peak (proc(5))
    began = time.monotonic()
    runner.run(int(operation))
    seconds = time.monotonic() - began
    row = Operation.objects.get(pk=operation)
    if row.state != "succeeded":
        sys.exit(f"{row.state}: {row.message}")
    now, used = _reads(), resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "read_from_disk": now["read_bytes"] - read["read_bytes"],
        "read_by_calls": now["rchar"] - read["rchar"],
        "memory_before": before,
        "memory_peak": _memory("VmHWM"),
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _reads() -> dict[str, int]:
    """What proc_pid_io(5) counts: ``rchar`` by any read (sockets too), ``read_bytes`` from the disk itself."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
