"""A lock never outlives its holder: who comes later ends a holder that hangs, all of it and nobody else.

What is tried here ends processes, as root: it runs in a process namespace of its own, where it sees no others.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployments.core import node_commands, node_input
from deployments.core.node_argv import PREFIX
from deployments.core.node_input import StagedFile
from tests.nodekit.conftest import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.nodekit.conftest import Program

CODE = b"print('supervisor')\n"


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Apart:
    """The program in a process namespace of its own, whose first process is ``anchor`` (a number of ours)."""

    program: Program
    anchor: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def lock(self) -> Path:
        return self.program.root / "run/ffs-node/locks/stage-www"

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        self.started.append(
            subprocess.Popen(
                ("nsenter", f"--target={self.anchor}", "--pid", "--mount", "--wdns=/", *argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin"},
                cwd="/",
            )
        )
        return self.started[-1]

    def stage(self, fence: tuple[int, int]) -> Said:
        argv = node_commands.stage_supervisor(fence, "www", hashlib.sha256(CODE).hexdigest())
        process = self.start(str(self.program.path), *argv[len(PREFIX) :])
        out, _ = process.communicate(CODE, timeout=60)
        return Said(process.returncode, [json.loads(line) for line in out.splitlines()])

    def holders(self) -> set[int]:
        """The processes in there that have the lock's file open."""
        found, own = set(), os.readlink(f"/proc/{self.anchor}/ns/pid")
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "ns/pid") == own:
                    links = {os.readlink(each) for each in (entry / "fd").iterdir()}
                    found |= {int(entry.name)} if str(self.lock) in links else set()
            except OSError:
                continue
        return found


@pytest.fixture
def apart(as_root: Program) -> Iterator[Apart]:
    command = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "600")
    with subprocess.Popen(command) as outer:
        try:
            until(lambda: bool(children(outer.pid)), "the namespace was not made")
            anchor = children(outer.pid)[0]
            until(lambda: "sleep" in Path(f"/proc/{anchor}/comm").read_text(), "its first process did not start")
            apart = Apart(as_root, anchor)
            yield apart
            os.kill(anchor, signal.SIGKILL)  # and with it all that it is the first process of
            for process in apart.started:
                process.kill()
                process.communicate()
        finally:
            outer.kill()


class Hung:
    """A verb whose standard input never ends, as when the cable was pulled: it holds the service's staging lock."""

    def __init__(self, apart: Apart, fence: tuple[int, int]) -> None:
        data = bytes(1000)
        files = [StagedFile("big", 0o644, len(data), hashlib.sha256(data).hexdigest())]
        argv = node_commands.stage_files(fence, "www", 1)[len(PREFIX) :]
        self.process = apart.start(str(apart.program.path), *argv)
        assert self.process.stdin is not None
        self.process.stdin.write(node_input.stage_files_head(files, ["big"]))
        self.process.stdin.flush()
        until(lambda: {"head", "tar"} <= {comm(pid) for pid in apart.holders()}, "it never unpacked")
        self.shell = children(self.process.pid)[0]


@pytest.mark.parametrize("fence", [(1, 5), (1, 6), (2, 0)])
def test_an_equal_or_newer_operation_ends_one_that_hangs(apart: Apart, fence: tuple[int, int]) -> None:
    hung = Hung(apart, (1, 5))
    said = apart.stage(fence)
    assert said.code == "ok"
    assert any("1.5" in event.get("text", "") for event in said.events), said.events
    out, _ = hung.process.communicate(timeout=20)
    assert b'"code":"interrupted"' in out
    assert apart.holders() == set()
    assert apart.program.leftovers() == []


def test_an_older_operation_is_stale_and_ends_nobody(apart: Apart) -> None:
    hung = Hung(apart, (2, 5))
    holders = apart.holders()
    for fence in ((2, 4), (1, 99)):
        assert apart.stage(fence).code == "stale"
    assert hung.process.poll() is None
    assert apart.holders() == holders


def test_one_that_does_not_listen_is_killed(apart: Apart) -> None:
    hung = Hung(apart, (1, 1))
    for pid in apart.holders():
        os.kill(pid, signal.SIGSTOP)
    assert apart.stage((1, 2)).code == "ok"
    assert not Path(f"/proc/{hung.shell}/exe").exists()
    assert apart.holders() == set()
    assert apart.program.leftovers() == []


def test_what_a_killed_one_left_running_is_ended_too(apart: Apart) -> None:
    hung = Hung(apart, (1, 1))
    os.kill(hung.shell, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{hung.shell}/exe").exists(), "it did not end")
    assert apart.holders(), "its children hold the lock"
    assert apart.stage((1, 1)).code == "ok"
    assert apart.holders() == set()
    # What the dead one could not clean away itself went as well.
    assert apart.program.leftovers() == []


@pytest.mark.parametrize("record", ["{pid} 1 1.1", "{pid} 999999999999999999 1.1", "1 0 1.1", "{pid}"])
def test_who_is_not_named_by_number_and_start_is_left_alone(apart: Apart, record: str) -> None:
    """A record that is wrong, or whose number another process has by now; the lock is held by somebody else."""
    assert apart.stage((1, 1)).code == "ok"
    bystander, older = apart.start("sleep", "60"), apart.start("flock", "-F", str(apart.lock), "sleep", "60")
    until(lambda: len(apart.holders()) == 1, "nobody holds the lock")
    until(lambda: bool(children(bystander.pid)), "the bystander did not start")
    inside = Path(f"/proc/{children(bystander.pid)[0]}/status").read_text()
    number = next(line.split()[-1] for line in inside.splitlines() if line.startswith("NSpid:"))
    apart.lock.write_text(record.format(pid=number) + "\n")
    said = apart.stage((1, 2))
    assert bystander.poll() is None
    if record in {"{pid} 1 1.1", "1 0 1.1"}:
        assert said.code == "ok"  # the one of that number is gone, and what holds the lock is younger: its child
    else:
        assert said.code == "busy"
        assert older.poll() is None


def test_who_only_waits_for_a_lock_is_left_alone(apart: Apart) -> None:
    Hung(apart, (1, 1))
    waiting = apart.start("flock", str(apart.lock), "true")
    until(lambda: len({pid for pid in apart.holders() if comm(pid) == "flock"}) == 1, "it does not wait")
    assert apart.stage((1, 2)).code == "ok"
    assert waiting.wait(30) == 0
