"""The sample application behaves, and misbehaves, as it is told. No container and no root."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP = Path(__file__).parent / "app" / "app.py"


class Running:
    """The application as a child, with the pipe on which it says that it lives."""

    def __init__(self, root: Path, mode: str, **environment: str) -> None:
        self.heartbeats, writing = os.pipe()
        self.process = subprocess.Popen(
            (sys.executable, str(APP)),
            env={
                **environment,
                "SAMPLE_MODE": mode,
                "SAMPLE_ROOT": str(root),
                "SAMPLE_PORT": "0",
                "PYTHONUNBUFFERED": "1",
                "FFS_HEARTBEAT_FD": str(writing),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            pass_fds=(writing,),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(writing)

    def line(self, containing: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if containing in line:
                return line
        raise AssertionError(f"it ended without saying {containing!r}")

    def beats(self, seconds: float) -> bytes | None:
        """The next heartbeats; None if none come within so many seconds."""
        readable, _, _ = select.select([self.heartbeats], [], [], seconds)
        return os.read(self.heartbeats, 100) if readable else None

    def ask(self, path: str, method: str = "GET", timeout: float = 5.0) -> dict[str, object]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer: dict[str, object] = json.load(response)
            return answer

    @property
    def port(self) -> int:
        if not hasattr(self, "_port"):
            self._port = int(self.line("listening on").split()[2].rstrip(","))
        return self._port

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.heartbeats)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with contextlib.ExitStack() as stack:

        def run(mode: str = "ok", **environment: str) -> Running:
            running = Running(tmp_path, mode, **environment)
            stack.callback(running.close)
            return running

        yield run


def test_it_says_that_it_lives_once_a_second(start: Callable[..., Running]) -> None:
    sample = start()
    assert sample.ask("/healthz") == {"ok": True}
    assert sample.beats(3) == b"H"
    assert sample.beats(3) == b"H"


def test_it_never_says_that_it_lives_when_told_so(start: Callable[..., Running]) -> None:
    sample = start("never-ready")
    assert sample.ask("/")["mode"] == "never-ready"
    assert sample.beats(1.5) is None


def test_it_hangs_after_a_while(start: Callable[..., Running]) -> None:
    sample = start("hang-after=0.5")
    assert sample.beats(3) == b"H"
    time.sleep(0.6)
    with pytest.raises(TimeoutError):
        sample.ask("/", timeout=0.5)
    while sample.beats(0):
        pass
    assert sample.beats(1.5) is None
    assert sample.process.poll() is None, "it hangs, it is not dead"


def test_it_hangs_on_request(start: Callable[..., Running]) -> None:
    sample = start()
    assert sample.ask("/do/hang", method="POST") == {"hanging": True}
    with pytest.raises(TimeoutError):
        sample.ask("/healthz", timeout=0.5)


@pytest.mark.parametrize(("mode", "status"), [("crash-at-start", 1), ("die-after=0.2", 1), ("dance", 1)])
def test_it_dies_when_told_or_misunderstood(start: Callable[..., Running], mode: str, status: int) -> None:
    assert start(mode).process.wait(10) == status


def test_it_ends_on_sigterm_unless_told_to_ignore_it(start: Callable[..., Running]) -> None:
    polite, stubborn = start(), start("ignore-term")
    for sample in (polite, stubborn):
        sample.ask("/healthz")
        sample.process.send_signal(signal.SIGTERM)
    assert polite.process.wait(5) == 0
    assert stubborn.ask("/healthz") == {"ok": True}


def test_it_floods(start: Callable[..., Running]) -> None:
    assert "\033[" in start("flood").line("flood 000002000")


def test_a_key_that_cannot_be_used_is_said_and_ends_it(start: Callable[..., Running], tmp_path: Path) -> None:
    sample = start(FFS_TLS_KEY=str(tmp_path / "missing"))
    assert "the certificate or its key cannot be used" in sample.line("certificate")
    assert sample.process.wait(5) == 2


def test_without_a_place_for_data_it_still_counts(start: Callable[..., Running]) -> None:
    sample = start()
    assert [sample.ask("/")["requests"] for _ in range(3)] == [1, 2, 3]
