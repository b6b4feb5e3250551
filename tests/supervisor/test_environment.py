"""Started as the unit starts it: the image's environment is the program's, and nothing of it is the supervisor's."""

from __future__ import annotations

import sys

import pytest

DUMP = ("sh", "-c", 'tr "\\0" "\\n" < /proc/$$/environ; exec sleep 60')
OURS = {"FFS_HEARTBEAT_FD", "FFS_HEARTBEAT_INTERVAL"}


@pytest.mark.parametrize("name", ["selectors", "sitecustomize", "usercustomize"])
def test_what_the_image_has_on_its_python_path_does_not_run_in_process_1(supervise, tmp_path, name):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the image')\n")
    running = supervise(
        command=(sys.executable, "-S", "-c", "import sys; print(sys.path)"),
        PYTHONPATH=str(tmp_path),
        PYTHONUSERBASE=str(tmp_path),
    )
    assert running.process.wait(20) == 0
    assert "taken from the image" not in running.text()
    assert str(tmp_path) in running.text()


def test_the_program_finds_the_environment_as_it_was(supervise):
    given = {
        "PYTHONPATH": "/app",
        "PYTHONHOME": "",
        "PYTHONHASHSEED": "7",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C",
        "EMPTY": "",
        "ODD": "a=b c",
        "PATH": "/usr/bin:/bin",
    }
    running = supervise(before=("env", "-i", *(f"{name}={value}" for name, value in given.items())), command=DUMP)
    running.wait_for("ready")
    lines = [line for line in running.text().splitlines() if not line.startswith("supervisor: ")]
    found = dict(line.split("=", 1) for line in lines)
    shell = {"PWD", "OLDPWD", "_", "SHLVL"}
    assert {name: value for name, value in found.items() if name not in OURS | shell} == given
