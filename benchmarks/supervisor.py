"""What it costs to keep four programs running: this supervisor, beside supervisord and s6.

    python benchmarks/supervisor.py [--seconds 60] [--rounds 1]

Memory is VmRSS and its proportional share (Pss) of every process of the supervisor's own, the programs excepted. CPU
is the time that the kernel has given to those processes (schedstat, nanoseconds), in percent of one processor, once
all programs run. supervisord is installed into a temporary virtual environment by pip, s6 must be on PATH; the table
names what cannot be had. The programs are the same for all; only here they are also watched: they write a heartbeat
every ten seconds, or answer a probe every ten seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deployments.nodekit.supervisor.onefile import source

CHILDREN = 4
SETTLE = 8.0
PROGRAM = """
import os, socket, sys, threading, time
def answer(listener):
    while True:
        connection = listener.accept()[0]
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
        connection.close()
if len(sys.argv) > 1:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=answer, args=(listener,), daemon=True).start()
pipe = os.environ.get("FFS_HEARTBEAT_FD")
while True:
    if pipe:
        os.write(int(pipe), b"H")
    time.sleep(10)
"""
# The file as it ships, with four programs in place of its command line's one.
FOUR = """
import sys
__name__ = "supervisor"
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
specs = [
    Spec(f"program-{number}", (sys.executable, "-S", sys.argv[2], *([port] if port else [])),
         heartbeat="none" if port else "required",
         probe=parse_probe(f"http://127.0.0.1:{port}/") if port else None)
    for number, port in enumerate(sys.argv[3].split(","))
]
sys.exit(Supervisor(specs, status=Path(sys.argv[2]).with_name("status")).run())
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """KiB of memory, percent of one processor, and the number of processes measured."""

    name: str
    processes: int
    rss: int
    pss: int
    cpu: float


def main() -> int:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time of each (60)")
    parser.add_argument("--rounds", type=int, default=1, help="each so often; the worst counts (1)")
    options = parser.parse_args()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} processors"
    print(f"{CHILDREN} programs, {options.seconds:g} s, {machine}\n")
    print("| Supervisor | Processes | RSS | Pss | CPU |")
    print("| --- | ---: | ---: | ---: | ---: |")
    ways: tuple[tuple[str, Callable[[Path], contextlib.AbstractContextManager[list[int]]]], ...] = (
        ("ours, heartbeats", ours),
        ("ours, HTTP probes", ours_probing),
        ("ours, one program, as in an image", as_in_an_image),
        ("supervisord", supervisord),
        ("s6", s6),
    )
    for name, way in ways:
        try:
            rounds = [measure(name, way, options.seconds) for _ in range(options.rounds)]
        except Missing as missing:
            print(f"| {name} | | {missing} | | |")
            continue
        worst = max(rounds, key=lambda figures: figures.cpu)
        cells = (f"{worst.rss / 1024:.1f} MiB", f"{worst.pss / 1024:.1f} MiB", f"{worst.cpu:.3f} %")
        print(f"| {name} | {worst.processes} |", " | ".join(cells), "|", flush=True)
    return 0


class Missing(Exception):
    """This one cannot be measured here; the text says why."""


def measure(
    name: str, way: Callable[[Path], contextlib.AbstractContextManager[list[int]]], seconds: float
) -> Figures:
    """Start it in a directory of its own, let it settle, and measure."""
    with tempfile.TemporaryDirectory() as place, way(Path(place)) as pids:
        before, since = sum(map(spent, pids)), time.monotonic()
        time.sleep(seconds)
        used, took = sum(map(spent, pids)) - before, time.monotonic() - since
        rss = sum(memory(pid, "status", "VmRSS:") for pid in pids)
        pss = sum(memory(pid, "smaps_rollup", "Pss:") for pid in pids)
        return Figures(name, len(pids), rss, pss, used / 1e9 / took * 100)


def spent(pid: int) -> int:
    """Nanoseconds on a processor, of every thread."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def memory(pid: int, file: str, field: str) -> int:
    """KiB."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def family(pid: int) -> list[int]:
    """The process and all that it has started, and they."""
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


@contextmanager
def running(argv: list[str], place: Path, *, settled: Callable[[int], bool]) -> Iterator[int]:
    """Start it and wait until it has all its programs; at the end nothing of it is left."""
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=place)
    try:
        end = time.monotonic() + 60
        while not settled(process.pid):
            if process.poll() is not None or time.monotonic() > end:
                raise Missing((place / "log").read_text().strip().splitlines()[-1][:200])
            time.sleep(0.2)
        time.sleep(SETTLE)
        yield process.pid
    finally:
        left = family(process.pid) if process.poll() is None else []
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def program(place: Path) -> Path:
    """The program that is kept running."""
    path = place / "program.py"
    path.write_text(PROGRAM)
    return path


@contextmanager
def ours(place: Path, ports: str = "," * (CHILDREN - 1)) -> Iterator[list[int]]:
    """The one file, as it ships."""
    (place / "supervisor.py").write_bytes(source())
    (place / "four.py").write_text(FOUR)
    argv = [sys.executable, "-S", "four.py", "supervisor.py", str(program(place)), ports]
    with running(argv, place, settled=lambda pid: b"ready: " in (place / "log").read_bytes()) as pid:
        yield [pid]


@contextmanager
def ours_probing(place: Path) -> Iterator[list[int]]:
    """The same, of programs that answer HTTP and write no heartbeats."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(CHILDREN)]
    ports = ",".join(str(listener.getsockname()[1]) for listener in listeners)
    for listener in listeners:
        listener.close()
    with ours(place, ports) as pids:
        yield pids


@contextmanager
def as_in_an_image(place: Path) -> Iterator[list[int]]:
    """The file's own command line, which keeps one program running, with a status file."""
    (place / "supervisor.py").write_bytes(source())
    argv = [sys.executable, "supervisor.py", "--status", "status", "--", sys.executable, "-S", str(program(place))]
    with running(argv, place, settled=lambda pid: b"ready: " in (place / "log").read_bytes()) as pid:
        yield [pid]


@contextmanager
def supervisord(place: Path) -> Iterator[list[int]]:
    """https://supervisord.org, without its HTTP server."""
    made = subprocess.run(
        f"{sys.executable} -m venv venv && venv/bin/pip install --quiet supervisor setuptools",
        shell=True,
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise Missing("supervisor could not be installed by pip")
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "user=root" if os.geteuid() == 0 else "",
        f"logfile={place}/supervisord.log",
    ]
    for number in range(CHILDREN):
        lines += [f"[program:p{number}]", f"command={sys.executable} -S {program(place)}", "startsecs=1"]
    (place / "supervisord.conf").write_text("\n".join(lines) + "\n")
    argv = ["venv/bin/supervisord", "-c", "supervisord.conf"]
    with running(argv, place, settled=lambda pid: len(family(pid)) == CHILDREN + 1) as pid:
        yield [pid]


@contextmanager
def s6(place: Path) -> Iterator[list[int]]:
    """https://skarnet.org/software/s6/: one small process for each program, and one for all."""
    if shutil.which("s6-svscan") is None:
        raise Missing("s6-svscan is not on PATH")
    for number in range(CHILDREN):
        service = place / "services" / f"p{number}"
        service.mkdir(parents=True)
        (service / "run").write_text(f"#!/bin/sh\nexec {sys.executable} -S {program(place)}\n")
        (service / "run").chmod(0o755)
    argv = ["s6-svscan", str(place / "services")]
    with running(argv, place, settled=lambda pid: len(family(pid)) == 2 * CHILDREN + 1) as pid:
        yield [one for one in family(pid) if Path(f"/proc/{one}/comm").read_text().startswith("s6-")]


if __name__ == "__main__":
    sys.exit(main())
