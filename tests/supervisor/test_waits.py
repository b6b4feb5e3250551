"""A child may say that it is well but waits for something that no restart would bring: that is told, and no more."""

from __future__ import annotations

import json
import os
import time

import pytest

from deployments.nodekit.supervisor.child import heard
from tests.supervisor.conftest import turns
from tests.supervisor.test_notify import ear as ear

WAITING_FOR_A_FILE = """
pipe = int(os.environ["FFS_HEARTBEAT_FD"])
while True:
    os.write(pipe, b"H" if os.path.exists({there!r}) else b"Wits Horrid broker\\n")
    time.sleep(0.05)
"""


def test_it_is_not_restarted_not_ready_and_systemd_is_asked_for_patience(supervise, ear, tmp_path):
    there = tmp_path / "there"
    running = supervise(
        *("--sd-notify", "--heartbeat", "required", "--status", str(tmp_path / "status")),
        code=WAITING_FOR_A_FILE.format(there=str(there)),
        NOTIFY_SOCKET=ear.address,
    )
    running.wait_for("waits: its Horrid broker")
    ear.wait_for("waits: its Horrid broker")
    ear.wait_for("EXTEND_TIMEOUT_USEC=600000")
    time.sleep(2.5)  # longer than the start may take
    ear.listen()
    assert "READY=1" not in ear.heard
    assert running.text().count("started (pid") == 1
    [child] = json.loads((tmp_path / "status").read_text())["children"]
    assert (child["state"], child["reason"]) == ("waits", "its Horrid broker")

    there.touch()
    running.wait_for("waits no longer")
    ear.wait_for("READY=1")
    there.unlink()
    running.wait_for("waits: its Horrid broker")
    ear.wait_for("waits: its Horrid broker")
    ear.listen()
    ear.wait_for("WATCHDOG=1")  # a restart by systemd would not bring the broker back either
    assert running.text().count("started (pid") == 1


def test_one_that_hangs_while_it_waits_is_found_out(supervise):
    running = supervise(
        "--heartbeat",
        "required",
        code='\nos.write(int(os.environ["FFS_HEARTBEAT_FD"]), b"Wa thing\\n")\ntime.sleep(60)\n',
    )
    running.wait_for("waits: a thing")
    running.wait_for(r"no heartbeat within 1\.5 s")
    running.wait_for("restart at once")


def test_one_that_was_well_and_hangs_while_it_waits_is_found_out(supervise):
    running = supervise(
        code='\nbeat()\ntime.sleep(1)\nos.write(int(os.environ["FFS_HEARTBEAT_FD"]), b"Wa thing\\n")\ntime.sleep(60)\n'
    )
    running.wait_for("hung: no heartbeat")


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        (b"H", ""),
        (b"H\n", ""),
        (b"HHWthe Broker\nH", ""),
        (b"HHWthe HTTP server\n", "the HTTP server"),
        (b"W\n", "something else"),
        (b"W\xff\n", "\ufffd"),
        (b"H" * 65536, ""),
        (b"\n\n", None),
        (b"x", None),
    ],
)
def test_the_last_word_counts(data, meaning):
    assert heard(data) == meaning


def test_words_without_end_are_cut_short():
    assert len(heard(b"W" + b"x" * 400) or "") < 100


def test_a_child_that_writes_heartbeats_without_pause_does_not_keep_the_supervisor_busy(supervise):
    running = supervise(
        code="""
pipe = int(os.environ["FFS_HEARTBEAT_FD"])
os.set_blocking(pipe, True)
while True:
    os.write(pipe, b"H")
"""
    )
    running.wait_for("ready")
    before = turns(running.process.pid)
    time.sleep(3)
    assert turns(running.process.pid) - before < 300  # three seconds: some ten turns each, not thousands


def test_nobody_reads_what_is_written_and_a_hang_is_still_found_out(supervise, tmp_path):
    # Standard output and error of both are one pipe that is full, as a container's when its reader is stuck.
    reading, writing = os.pipe()
    status = tmp_path / "status"
    try:
        running = supervise(
            *("--status", str(status)),
            code='\nbeat()\nwhile True:\n    os.write(1, b"x" * 65536)\n    beat()\n',
            output=writing,
        )
        end = time.monotonic() + 30
        while not status.exists() or json.loads(status.read_text())["children"][0]["restarts"] < 2:
            assert time.monotonic() < end, status.read_text() if status.exists() else "no status"
            time.sleep(0.1)
        child = json.loads(status.read_text())["children"][0]
        assert child["reason"].startswith("hung: no heartbeat for")
        assert running.stop() in (0, 137)
    finally:
        os.close(reading)
        os.close(writing)
