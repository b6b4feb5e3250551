"""The one file as it ships, run as a real process with real children."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.nodekit.supervisor.onefile import source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEATING = """
import os, sys, time
def beat():
    os.write(int(os.environ["FFS_HEARTBEAT_FD"]), b"H")
"""
QUICK = ("--interval", "0.2", "--grace", "0.5", "--start-timeout", "1.5")


@dataclass
class Running:
    """A supervisor that was started, and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path
    seen: int = field(default=0)

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, pattern: str, seconds: float = 15.0) -> re.Match[str]:
        """The next place after the last one where the log matches; fails with the whole log."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.compile(pattern).search(self.text(), self.seen)
            if found:
                self.seen = found.end()
                return found
            time.sleep(0.02)
        pytest.fail(f"no {pattern!r} within {seconds} s in:\n{self.text()}")

    def started(self) -> int:
        """The process id of the child at its next start."""
        return int(self.wait_for(r"started \(pid (\d+)\)").group(1))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within the time."""
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def turns(pid: int) -> int:
    """How often the process has gone to sleep."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary")).split()[1])


def children(pid: int) -> list[int]:
    """The processes that it has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="session")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("supervisor") / "supervisor.py"
    path.write_bytes(source())
    return path


Supervise = Any


@pytest.fixture
def supervise(one_file: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts ``supervisor.py OPTIONS -- COMMAND``; ``code`` is Python for the child. Nothing of it stays behind."""
    started: list[Running] = []

    def start(
        *options: str,
        code: str = "",
        command: tuple[str, ...] = (),
        quick: bool = True,
        before: tuple[str, ...] = (),
        python: str = sys.executable,
        output: int | None = None,
        **environment: str,
    ) -> Running:
        argv = command or (sys.executable, "-S", "-c", BEATING + code)
        places = ("--credentials", f"{tmp_path}/run", "--certificates", f"{tmp_path}/certs")
        log = tmp_path / f"log-{len(started)}"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [
                    *before,
                    python,
                    "-I",
                    "-S",
                    str(one_file),
                    *(QUICK if quick else ()),
                    *places,
                    *options,
                    "--",
                    *argv,
                ],
                stdout=stream if output is None else output,
                stderr=stream if output is None else output,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        running = Running(process, log)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGCONT)
            running.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(5)
            running.process.kill()
        running.process.wait()
        for pid in re.findall(r"pid (\d+)", running.text()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(pid), signal.SIGKILL)
