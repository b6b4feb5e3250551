"""How it ends: signals passed on, exit codes passed through, crash loops given up, orphans reaped."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from tests.supervisor.conftest import gone

DEAF_TO_SIGTERM = """
import signal
import subprocess
import sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("armed", flush=True)
time.sleep(60)
"""


def test_a_program_that_has_finished_ends_the_supervisor(supervise):
    running = supervise(command=("true",))
    assert running.process.wait(20) == 0
    assert "restart" not in running.text()


def test_three_crashes_within_five_seconds_end_everything_with_the_reason_last(supervise):
    running = supervise(command=("sh", "-c", "exit 7"))
    assert running.process.wait(20) == 100
    assert running.text().count("started (pid") == 3
    assert running.text().splitlines()[-1] == "supervisor: gave up: sh ended 3 times within 5 s; it exited with 7"


def test_a_command_that_is_not_there_ends_with_127(supervise):
    running = supervise(command=("/nonexistent/program",))
    assert running.process.wait(20) == 127
    assert "No such file" in running.text()


def test_a_command_that_may_not_run_ends_with_126(supervise, tmp_path):
    (tmp_path / "data").write_text("no program")
    running = supervise(command=(str(tmp_path / "data"),))
    assert running.process.wait(20) == 126


def test_no_command_is_a_usage_error(one_file):
    from deployments.nodekit.supervisor.command import main

    with pytest.raises(SystemExit) as refused:
        main(["--watchdog"])
    assert refused.value.code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_signal_is_passed_on_and_the_programs_own_code_comes_back(supervise, number):
    running = supervise(
        code=f"""
import signal
import subprocess
import sys
signal.signal({int(number)}, lambda *_: sys.exit(5))
beat(); print("armed", flush=True)
while True:
    beat(); time.sleep(0.05)
"""
    )
    running.wait_for("armed")
    assert running.stop(number) == 5


def test_a_program_that_dies_of_the_signal_was_stopped_well(supervise):
    running = supervise(command=("sleep", "60"))
    running.wait_for("ready")
    assert running.stop() == 0


def test_a_program_that_must_be_killed_shows_in_the_exit_code(supervise):
    running = supervise(code=DEAF_TO_SIGTERM)
    running.wait_for("armed")
    assert running.stop() == 128 + signal.SIGKILL


def test_a_second_stop_signal_does_not_wait_for_the_grace(supervise):
    running = supervise(
        "--grace",
        "60",
        code=DEAF_TO_SIGTERM,
    )
    running.wait_for("armed")
    running.process.terminate()
    running.wait_for("SIGTERM: stopping")
    assert running.stop() == 128 + signal.SIGKILL


def test_a_shell_does_not_cut_its_command_short(supervise):
    slow = "trap 'sleep 0.3; echo tidied; exit' TERM; echo 1; while true; do sleep 0.05; done"
    running = supervise(command=("sh", "-c", f'bash -c "{slow}"; true'))
    running.wait_for(r"(?m)^1$")
    running.stop()
    assert "tidied" in running.text()


@pytest.mark.skipif(os.geteuid() != 0, reason="a new pid namespace needs root")
def test_as_pid_1_it_reaps_orphans(supervise):
    running = supervise(
        before=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
        code="""
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)  # its parent ends at once: an orphan
        os._exit(0)
    os.wait()
time.sleep(0.5)
states = [open(f"/proc/{p}/stat").read().rpartition(")")[2].split()[0] for p in os.listdir("/proc") if p.isdigit()]
print("parent", os.getppid(), "zombies", states.count("Z"), flush=True)
while True:
    beat(); time.sleep(0.05)
""",
    )
    assert running.wait_for(r"parent (\d+) zombies (\d+)").groups() == ("1", "0")


def test_the_child_inherits_the_pipe_and_nothing_else(supervise):
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        running = supervise(
            "--sd-notify",
            code="""
open_now = sorted(int(n) for n in os.listdir("/proc/self/fd"))
print("open", open_now, os.environ["FFS_HEARTBEAT_FD"], "NOTIFY_SOCKET" in os.environ, flush=True)
beat()
""",
            NOTIFY_SOCKET="/nonexistent",
        )
        # 3 is the directory that listdir itself has open.
        found = running.wait_for(r"open \[0, 1, 2, 3, (\d+)\] (\d+) (\w+)")
    finally:
        os.close(reading)
        os.close(writing)
    assert found.group(1) == found.group(2)
    assert found.group(3) == "False"


def test_when_the_supervisor_is_killed_a_beating_child_learns_it_from_the_pipe(supervise):
    running = supervise(code="\nwhile True:\n    beat(); time.sleep(0.05)\n")
    pid = running.started()
    running.wait_for("first heartbeat")
    running.process.kill()
    running.process.wait()
    assert gone(pid)


def test_the_status_file_is_whole_at_every_moment(supervise, tmp_path):
    import json

    status = tmp_path / "status.json"
    running = supervise("--status", str(status), code="\nwhile True:\n    beat(); time.sleep(0.05)\n")
    running.wait_for("ready")
    end = time.monotonic() + 1
    while time.monotonic() < end:
        report = json.loads(status.read_text())
    assert report["version"] == 1
    assert abs(report["at"] - time.time()) < 5
    [child] = report["children"]
    assert child["state"] == "healthy"
    assert 0 <= child["heartbeat_age"] < 1
    assert child["restarts"] == 0
    assert re.fullmatch(r"healthy: python[\d.]*", report["state"])
