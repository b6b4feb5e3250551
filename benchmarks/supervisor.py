"""What it costs to keep four programs running: this supervisor, beside supervisord and s6.

    python -m benchmarks.supervisor [--seconds 60] [--rounds 1] [--write]

supervisord and s6 must be on PATH (Debian: supervisor, s6); the table names what cannot be had. The exit code is 1 if
ours is beyond its limits. --write keeps the figures in benchmarks/results/supervisor.json and the table in
docs/benchmarks-supervisor.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.supervisor_report import Figures, line, page, too_much, worst
from benchmarks.supervisor_ways import CHILDREN, WAYS, Missing, Way

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "supervisor.json"
PAGE = ROOT / "docs" / "benchmarks-supervisor.md"


def main() -> int:
    """Measure, print the table, and say what is beyond the limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time of each (60)")
    parser.add_argument("--rounds", type=int, default=1, help="each so often; the worst counts (1)")
    parser.add_argument("--write", action="store_true", help="write the results and the page of the documentation")
    options = parser.parse_args()
    rows = []
    for name, way in WAYS:
        rows.append(figures(name, way, options))
        print(line(rows[-1]), flush=True)
    if options.write:
        about = {**machine(), "children": CHILDREN, "seconds": options.seconds, "rounds": options.rounds}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
        PAGE.write_text(page(rows, about))
    beyond = too_much(rows)
    for words in beyond:
        print(words, file=sys.stderr)
    return 1 if beyond else 0


def figures(name: str, way: Way, options: argparse.Namespace) -> Figures:
    """The worst of the rounds, or why there is none."""
    programs = 1 if "one program" in name else CHILDREN
    try:
        return worst([measure(name, programs, way, options.seconds) for _ in range(options.rounds)])
    except Missing as missing:
        return Figures(name, programs, missing=str(missing))


def measure(name: str, programs: int, way: Way, seconds: float) -> Figures:
    """Start it in a directory of its own, let it settle, and measure."""
    with tempfile.TemporaryDirectory() as place, way(Path(place)) as pids:
        before, since = sum(map(spent, pids)), time.monotonic()
        time.sleep(seconds)
        used, took = sum(map(spent, pids)) - before, time.monotonic() - since
        rss = sum(memory(pid, "status", "VmRSS:") for pid in pids)
        pss = sum(memory(pid, "smaps_rollup", "Pss:") for pid in pids)
        return Figures(name, programs, len(pids), rss, pss, used / 1e9 / took * 100)


def spent(pid: int) -> int:
    """Nanoseconds on a processor, of every thread."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def memory(pid: int, file: str, field: str) -> int:
    """Bytes."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def machine() -> dict[str, Any]:
    """Where it was measured."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": f"Linux {platform.release()}",
        "python": platform.python_version(),
        "supervisord": package("supervisor"),
        "s6": package("s6"),
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d"),
    }


def package(name: str) -> str:
    """The version of Debian's package, or a question mark."""
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False
        )
    except OSError:
        return "?"
    return done.stdout if done.returncode == 0 and done.stdout else "?"


if __name__ == "__main__":
    sys.exit(main())
