"""How four programs are kept running: by this supervisor, by supervisord and by s6."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from deployments.nodekit.supervisor.onefile import source

CHILDREN = 4
SETTLE = 8.0
PYTHON = (sys.executable, "-I", "-S")  # as the unit starts it
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


class Missing(Exception):
    """This one cannot be measured here; the text says why."""


def family(pid: int) -> list[int]:
    """The process and all that it has started, and they."""
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


@contextmanager
def running(argv: list[str], place: Path, *, settled: Callable[[int], bool], **environment: str) -> Iterator[int]:
    """Start it and wait until it has all its programs; at the end nothing of it is left."""
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=place, env={**os.environ, **environment})
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
    argv = [*PYTHON, "four.py", "supervisor.py", str(program(place)), ports]
    with running(argv, place, settled=_ready(place)) as pid:
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
def as_a_unit_starts_it(place: Path) -> Iterator[list[int]]:
    """The file's own command line, which keeps one program running, with a status file and somebody to notify."""
    (place / "supervisor.py").write_bytes(source())
    options = ["--sd-notify", "--start-timeout", "120", "--status", "status"]
    argv = [*PYTHON, "supervisor.py", *options, "--", sys.executable, "-S", str(program(place))]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(place / "notify"))
        environment = {"NOTIFY_SOCKET": str(place / "notify"), "WATCHDOG_USEC": "180000000"}
        with running(argv, place, settled=_ready(place), **environment) as pid:
            yield [pid]


def _ready(place: Path) -> Callable[[int], bool]:
    return lambda pid: b"ready: " in (place / "log").read_bytes()


@contextmanager
def supervisord(place: Path) -> Iterator[list[int]]:
    """https://supervisord.org, without its HTTP server."""
    if shutil.which("supervisord") is None:
        raise Missing("supervisord is not on PATH")
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "user=root" if os.geteuid() == 0 else "",
        f"logfile={place}/supervisord.log",
    ]
    for number in range(CHILDREN):
        lines += [f"[program:p{number}]", f"command={sys.executable} -S {program(place)}", "startsecs=1"]
    (place / "supervisord.conf").write_text("\n".join(lines) + "\n")
    argv = ["supervisord", "-c", "supervisord.conf"]
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


Way = Callable[[Path], AbstractContextManager[list[int]]]
WAYS: tuple[tuple[str, Way], ...] = (
    ("ours, heartbeats", ours),
    ("ours, HTTP probes", ours_probing),
    ("ours, one program, as a unit starts it", as_a_unit_starts_it),
    ("supervisord", supervisord),
    ("s6", s6),
)
