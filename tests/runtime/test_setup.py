"""The first command on a fresh machine: what it says when something is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The set-up script alone, so that nothing of this checkout is touched."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "venv", tmp_path / ".ci")
    return tmp_path


def setup(checkout: Path, python: str) -> subprocess.CompletedProcess[str]:
    program = checkout / "python3"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    return subprocess.run(
        [checkout / ".ci" / "venv"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(program)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_old_python_is_named(checkout):
    done = setup(checkout, "exit 1")
    assert done.returncode == 1
    assert done.stderr.startswith("ffsweb needs Python 3.11 or later.")


def test_a_python_without_venv_says_what_to_install(checkout):
    if Path("/usr/bin/uv").exists() or Path("/bin/uv").exists():
        pytest.skip("uv is installed system-wide, so venv is not needed")
    done = setup(checkout, 'case "$*" in *venv*) exit 1;; esac')
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert not (checkout / "var" / "tools").exists()


def test_the_pinned_uv_is_one_that_the_build_backend_goes_with():
    import re
    import tomllib

    script = (ROOT / ".ci" / "venv").read_text()
    pinned = re.search(r"^uv_version=(\S+)$", script, re.MULTILINE)
    assert pinned
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert any(f"uv_build>={pinned.group(1)}" in requirement for requirement in wanted)
