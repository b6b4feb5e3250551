"""What ships: one file, the standard library alone, Python 3.9."""

from __future__ import annotations

import ast
import gc
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deployments.nodekit.supervisor import onefile
from deployments.nodekit.supervisor.onefile import join, source
from tests.supervisor.sealed import container as container
from tests.supervisor.sealed import memory as memory
from tests.supervisor.sealed import pair as pair


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


def installed(version: str) -> str:
    """The Python of that version, on PATH or where pyenv keeps it; skips the test if there is none."""
    name = f"python{version}"
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
    for found in (shutil.which(name), *map(str, kept)):
        # A shim of pyenv is there, and fails, whether or not the version is.
        if found and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
            return found
    pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_it_runs_under_other_versions_of_python(version, one_file):
    done = subprocess.run(
        [installed(version), "-W", "error", str(one_file), "--", "sh", "-c", "echo $FFS_HEARTBEAT_INTERVAL"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_a_hang_is_found_out_under_the_oldest_python_and_a_new_one(version, supervise):
    running = supervise("--probe-timeout", "5", python=installed(version), code="\nbeat()\ntime.sleep(60)\n")
    running.wait_for("hung: no heartbeat")
    running.wait_for("restart at once")
    running.started()
    assert running.stop() == 0
    assert "Traceback" not in running.text()


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_a_command_and_an_address_by_name_are_asked_under_the_oldest_python_and_a_new_one(version, supervise):
    python = installed(version)
    running = supervise("--start-timeout", "60", "--probe", "true", python=python, command=("sleep", "60"))
    running.wait_for("first healthy answer")
    running.stop()
    named = supervise("--probe", "tcp:localhost:1", python=python, command=("sleep", "60"))
    named.wait_for("no healthy answer within")


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_a_sealed_key_is_opened_under_the_oldest_python_and_a_new_one(version, supervise, container, memory):
    key = 'print("key", open(os.environ["FFS_TLS_KEY"]).readline())'
    running = supervise("--secrets", str(memory), python=installed(version), code=f"\n{key}\n")
    assert running.process.wait(20) == 0, running.text()
    assert "key -----BEGIN" in running.text()
    assert list(memory.iterdir()) == []


def test_it_is_joined_by_several_threads_at_once() -> None:
    """CPython 3.11 cannot parse in a thread while it does in another one, which a collection of garbage lets on."""
    whole, found = source(), []
    onefile._joined.cache_clear()
    together, threshold = threading.Barrier(8, timeout=20), gc.get_threshold()

    def deep(calls: int) -> bytes:
        return deep(calls - 1) if calls else source()

    def work(calls: int) -> None:
        together.wait()
        found.append(deep(calls))

    def give_way(*_: object) -> None:
        time.sleep(0.0001)

    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    try:
        threads = [threading.Thread(target=work, args=(calls,)) for calls in range(0, 40, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(give_way)
    assert found == [whole] * 8
