"""The other ways to call it: ``ffs supervise``, the package itself, and the file that an image carries."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervisor.test_notify import ear as ear

ROOT = Path(__file__).parents[2]
FFS = (sys.executable, "-m", "ffsweb.cli", "supervise")
PACKAGE = (sys.executable, "-m", "deployments.nodekit.supervisor")
WAYS = pytest.mark.parametrize("way", [FFS, PACKAGE], ids=["ffs", "package"])


def run(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, **options)


@WAYS
def test_a_program_runs_and_its_end_is_the_end(way):
    done = run(*way, "--interval", "1", "--", "sh", "-c", "echo $FFS_HEARTBEAT_INTERVAL $0 $1", "--", "--grace")
    assert (done.returncode, done.stdout) == (0, "1 -- --grace\n")
    assert "supervisor: sh: started (pid " in done.stderr


@WAYS
def test_what_does_not_stay_up_and_what_is_no_command_have_their_codes(way):
    assert run(*way, "--", "false").returncode == 100
    assert run(*way, "--", "/nonexistent/program").returncode == 127
    assert run(*way, "--interval", "0", "--", "true").returncode == 2
    assert run(*way).returncode == 2


@WAYS
def test_the_programs_own_code_comes_back_after_a_signal(way):
    argv = (*way, "--", "sh", "-c", "trap 'exit 5' TERM; echo armed; while true; do sleep 0.05; done")
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "armed\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 5


def test_a_hang_is_found_out_by_ffs_too():
    beat = 'printf H >&"$FFS_HEARTBEAT_FD"; sleep 60'
    options = ("--interval", "0.2", "--grace", "1", "--log", "json")
    with subprocess.Popen(
        (*FFS, *options, "--", "bash", "-c", beat), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "hung: no heartbeat" in line:
                break
        process.terminate()
        assert process.wait(20) == 0


def test_an_image_carries_the_file_as_the_documentation_says(tmp_path, ear):
    """Made by the documented command, and started as documented, in an environment and place of its own."""
    documented = (ROOT / "docs" / "supervisor.md").read_text()
    [make] = re.findall(r"(?m)^    (python -c .* > supervisor\.py)$", documented)
    [start] = re.findall(r"(?m)^    python3 (-I -S supervisor\.py --sd-notify -- \./app) ", documented)
    image = tmp_path / "image"
    image.mkdir()
    made = make.replace("python -c", f"{sys.executable} -c", 1).replace("> supervisor.py", f"> {image}/supervisor.py")
    subprocess.run(["sh", "-c", made], cwd=ROOT, check=True, timeout=60)
    (image / "app").write_text("#!/bin/sh\ntrap 'exit 7' TERM\nwhile true; do sleep 0.05; done\n")
    (image / "app").chmod(0o755)
    with subprocess.Popen(
        (sys.executable, *start.split()),
        cwd=image,
        env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": ear.address},
        stderr=subprocess.DEVNULL,
    ) as process:
        ear.wait_for("READY=1")
        process.terminate()
        assert process.wait(20) == 7
    ear.listen()
    assert "STOPPING=1" in ear.heard
