"""What ships: one file, the standard library alone, Python 3.9."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys

import pytest

from deployments.nodekit.supervisor.onefile import join, source


def test_it_is_one_file_for_python_3_9_with_the_standard_library_alone():
    tree = ast.parse(source(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_it_defines_no_name_twice():
    names = [node.name for node in ast.parse(source()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(names) == len(set(names))


def test_two_parts_that_define_the_same_name_are_refused():
    with pytest.raises(ValueError, match="word is defined in one and in two"):
        join('"""Front."""', {"one": "word = 1\n", "two": "def word() -> None: ...\n"})


@pytest.mark.parametrize("python", ["python3.9", "python3.10", "python3.12", "python3.13"])
def test_it_runs_under_other_versions_of_python(python, one_file):
    found = shutil.which(python)
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} is not installed")
    done = subprocess.run(
        [found, "-W", "error", str(one_file), "--", "sh", "-c", "echo $FFS_HEARTBEAT_INTERVAL"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr
