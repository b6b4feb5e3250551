"""``ffs web`` and ``ffs beat`` bare: what a signal does to them, and the code that comes back, without a supervisor."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.installation import FFS, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installation"))
    done = made.ffs("prepare")
    assert done.returncode == 0, done.stderr
    (made.log.parent / "static").mkdir()
    return made


@pytest.fixture
def start(installation) -> Iterator[object]:
    """Starts a command and waits for its first sign of life: a heartbeat, or the word that it waits for a broker."""
    running: list[subprocess.Popen[bytes]] = []

    def started(command: str) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        with installation.log.open("wb") as log:
            process = subprocess.Popen(
                [*FFS, command],
                env={**installation.environment, "FFS_HEARTBEAT_FD": str(writing)},
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=True,
            )
        running.append(process)
        os.close(writing)
        came, _, _ = select.select([reading], [], [], 120)
        said = os.read(reading, 100) if came else b""
        os.close(reading)
        assert said, f"no sign of life of ffs {command}:\n{installation.log.read_text()}"
        return process

    yield started
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("web", signal.SIGTERM, -signal.SIGTERM),  # uvicorn shuts down in order, and then dies of it after all
        ("web", signal.SIGINT, 0),
        ("beat", signal.SIGTERM, 0),
        ("beat", signal.SIGINT, 0),
    ],
)
def test_it_ends_as_asked_and_says_so_by_its_code(start, installation, command, number, code):
    process = start(command)
    process.send_signal(number)
    assert process.wait(30) == code, installation.log.read_text()
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.parametrize("command", ["web", "beat"])
def test_one_that_was_killed_tells_by_which_signal(start, command):
    process = start(command)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
