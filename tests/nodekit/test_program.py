"""The program as a whole: put together the same way each time, clean, and deaf to its environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from deployments.core.layout import PROTOCOL
from deployments.nodekit.assemble import assemble
from deployments.nodekit.released import VERSION, ffs_node_script, restore_unit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program


def test_it_is_the_same_each_time_and_knows_its_version() -> None:
    assert assemble() == assemble() == ffs_node_script()
    assert f"readonly protocol={PROTOCOL}\nreadonly version={VERSION}\nreadonly root=''\n" in ffs_node_script()
    assert not re.search(r"@[A-Z_]+@", ffs_node_script().replace("${lines[@]}", ""))


def test_it_carries_the_unit_that_it_enables() -> None:
    assert restore_unit().strip() in ffs_node_script()
    assert "ExecStart=/usr/local/bin/ffs-node restore --due" in restore_unit()


def test_each_part_is_short_enough_to_read() -> None:
    parts = list((resources.files("deployments.nodekit") / "parts").iterdir())
    assert len(parts) > 10
    assert all(len(part.read_text().splitlines()) <= 200 for part in parts)


def test_another_root_is_a_plain_path() -> None:
    assert "readonly root=/tmp/x\n" in assemble(root="/tmp/x")
    for root in ("relative", "/tmp/x; id", "/tmp/$(id)", "/tmp/'x", "/tmp/x\n"):
        with pytest.raises(ValueError, match="Not a directory"):
            assemble(root=root)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck here")
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        ("shellcheck", "--shell=bash", "-"), input=ffs_node_script().encode(), capture_output=True, check=False
    )
    assert done.stdout.decode() == ""


def test_bash_takes_it() -> None:
    subprocess.run(("bash", "-n"), input=ffs_node_script().encode(), check=True)


def test_no_function_hides_another_one() -> None:
    names = re.findall(r"^([a-z_]+)\(\)", ffs_node_script(), re.MULTILINE)
    assert len(names) > 100
    assert sorted(set(names)) == sorted(names)


def test_it_never_evaluates_text() -> None:
    code = "\n".join(
        line.split(" #")[0] for line in ffs_node_script().splitlines() if not line.lstrip().startswith("#")
    )
    assert not re.search(r"\beval\b|^\s*source |^\s*\. |bash -c|sh -c|xargs [^|]*sh\b", code, re.MULTILINE)


def test_the_callers_environment_changes_nothing(program: Program, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    trap = tmp_path / "trap"
    trap.mkdir()
    for tool in ("jq", "mkdir", "mktemp", "cat", "rm", "tail", "sha256sum"):
        (trap / tool).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (trap / tool).chmod(0o755)
    (tmp_path / "env.sh").write_text(f"touch {canary}\n")
    hostile = {
        "PATH": str(trap),
        "BASH_ENV": str(tmp_path / "env.sh"),
        "ENV": str(tmp_path / "env.sh"),
        "SHELLOPTS": "xtrace:noexec",
        "BASHOPTS": "failglob",
        "PS4": f"$(touch {canary})",
        "IFS": "o",
        "BASH_FUNC_jq%%": f"() {{ touch {canary}; }}",
        "BASH_FUNC_main%%": f"() {{ touch {canary}; }}",
        "root": "/elsewhere",
        "program": str(trap / "jq"),
        "state": "/elsewhere",
        "TMPDIR": str(tmp_path / "nowhere"),
        "LC_ALL": "tr_TR.UTF-8",
        "HOME": str(trap),
        "TAR_OPTIONS": "--absolute-names",
        "PODMAN_USERNS": "host",
    }
    said = program("version", environment=hostile, check=False)  # bash itself may complain of the locale
    assert said.result == {"event": "result", "ok": True, "protocol": PROTOCOL, "version": VERSION}
    assert not canary.exists()


def test_nobody_but_root_may_run_what_is_shipped() -> None:
    less = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    command = (*less, "bash", "-p", "-s", "version")
    done = subprocess.run(command, input=ffs_node_script().encode(), capture_output=True, check=False, cwd="/")
    assert done.returncode == 1
    assert b'"code":"not-root"' in done.stdout
