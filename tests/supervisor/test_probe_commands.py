"""A probe may be a command: it is told no secret, and nothing that it starts stays behind."""

from __future__ import annotations

import time

import pytest

from tests.supervisor.conftest import alive, gone

PATIENT = ("--start-timeout", "60", "--probe-timeout", "20")


def noting(place, said: str, then: str = "exit 0") -> str:
    """A command whose output is found, whole, in the file ``seen``."""
    script = place / "script"
    script.write_text(f"#!/bin/sh\n{{ {said}; }} > {place}/seen.new\nmv {place}/seen.new {place}/seen\n{then}\n")
    script.chmod(0o755)
    return str(script)


def test_a_command_is_asked_and_its_failure_is_named(supervise, tmp_path):
    well = tmp_path / "well"
    well.touch()
    running = supervise(*PATIENT, "--probe", f"test -e '{well}'", command=("sleep", "60"))
    running.wait_for("ready")
    well.unlink()
    running.wait_for("hung: 3 probes failed, the last: the probe's command exited with 1")
    well.touch()
    running.started()


def test_a_command_that_hangs_is_killed_with_all_it_has_started(supervise, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! >> {tmp_path}/pids\nwait\n")
    script.chmod(0o755)
    running = supervise("--probe-timeout", "0.3", "--probe", str(script), command=("sleep", "60"))
    running.wait_for(r"no healthy answer within 1\.5 s of its start \(no answer within 0\.3 s\)")
    running.stop()
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert pids
    assert all(gone(pid) for pid in pids)


def test_a_probe_knows_no_secrets(supervise, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "env.TOKEN").write_text("s3ntinel")
    secrets = {"NOTIFY_SOCKET": "/nonexistent", "CERT_PASS": "s3ntinel of the environment"}
    running = supervise(*PATIENT, "--probe", noting(tmp_path, "env"), command=("sleep", "60"), **secrets)
    running.wait_for("ready")
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "s3ntinel" not in seen
    assert "NOTIFY_SOCKET" not in seen


@pytest.mark.parametrize("code", [0, 1])
def test_what_a_command_leaves_behind_is_killed_when_it_ends(supervise, tmp_path, code):
    script = noting(tmp_path, "sleep 60 >/dev/null 2>&1 & echo $!", f"exit {code}")
    supervise(*PATIENT, "--probe", script, command=("sleep", "60"))
    while not (tmp_path / "seen").exists():
        time.sleep(0.02)
    assert gone(int((tmp_path / "seen").read_text()))


def test_nothing_of_a_probe_outlives_the_supervisor(supervise, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    running = supervise("--probe-timeout", "60", "--probe", str(script), command=("sleep", "60"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    running.stop()
    assert gone(pid)
