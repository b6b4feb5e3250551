"""A lab takes nothing from its neighbours, and leaves nothing behind however its owner ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.base import base
from tests.lab.host import cache
from tests.lab.lab import Lab
from tests.lab.left_behind import left_behind
from tests.lab.minimal import machine_file
from tests.lab.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.nodes import Node

pytestmark = pytest.mark.lab


@pytest.fixture
def own_cache(lab: Lab) -> Iterator[Path]:
    """A second cache directory, on a file system that overlays can stand on (a temporary directory may be in
    memory)."""
    place = Path(tempfile.mkdtemp(prefix="second-", dir=cache()))
    yield place
    shutil.rmtree(place)


def test_two_labs_at_once_share_nothing_and_a_closed_one_leaves_nothing(lab: Lab) -> None:
    with Lab.open() as other:
        assert other.session.id != lab.session.id
        assert not other.session.network.overlaps(lab.session.network)
        node = other.up("same-name", machine_file())
        node.exec(("sh", "-c", "sleep 1000 </dev/null >/dev/null 2>&1 &"), timeout=5).check()
        assert left_behind(other.session.id, other.session.directory) != []
    assert left_behind(other.session.id, other.session.directory) == []
    other.close()


OWNER = """
import sys, time
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file
lab = Lab.open()
lab.up("orphan", machine_file())
print(lab.session.id, lab.session.directory, flush=True)
time.sleep(600)
"""


def owner() -> tuple[subprocess.Popen[str], str, Path]:
    process = subprocess.Popen((sys.executable, "-c", OWNER), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    identity, directory = process.stdout.readline().split()
    process.stdout.close()
    return process, identity, Path(directory)


def test_what_a_killed_owner_left_is_swept_when_the_next_lab_opens(
    lab: Lab, node_factory: Callable[..., Node]
) -> None:
    node = node_factory()
    process, identity, directory = owner()
    process.kill()
    process.wait()
    assert left_behind(identity, directory) != [], "a kill -9 gives nobody a chance to clean up"
    with Lab.open():
        assert left_behind(identity, directory) == []
    assert node.exec(("true",)).status == 0, "the living keep theirs"


def test_sigterm_takes_the_lab_down_and_then_the_process(lab: Lab) -> None:
    process, identity, directory = owner()
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    assert left_behind(identity, directory) == []


def test_a_process_that_just_ends_leaves_nothing(lab: Lab) -> None:
    text = OWNER.replace("time.sleep(600)", "")
    done = run((sys.executable, "-c", text), timeout=60).check()
    identity, directory = done.out.split()
    assert left_behind(identity, Path(directory)) == []


def test_the_command_line_keeps_nodes_between_its_runs(
    lab: Lab, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache of its own with the base that there is: the operator's own nodes are none of this test's
    # business.
    tree = base()
    (own_cache / tree.name).symlink_to(tree)
    monkeypatch.setenv("FFSWEB_LAB_CACHE", str(own_cache))
    file = own_cache / "m.ign"
    file.write_bytes(b'{"ignition": {"version": "3.3.0"}}')

    def command(*argv: str) -> str:
        return run((sys.executable, "-m", "tests.lab", *argv), timeout=60).check().out

    try:
        assert command("up", "hand", str(file), "--disk", "40").startswith("hand 10.66.")
        assert command("exec", "hand", "--", "echo", "in here") == "in here\n"
        command("cut", "hand")
        command("heal", "hand")
        command("full", "hand")
        command("full", "hand", "--drain")
        command("kill", "hand")
        assert command("ls").split()[2] == "down"
        command("start", "hand")
        assert command("ls").split()[2] == "up"
        command("stop", "hand")
    finally:
        sessions = list((own_cache / "sessions").iterdir())
        command("rm", "hand")
    assert run((sys.executable, "-m", "tests.lab", "stop", "hand"), timeout=60).err == "lab: there is no node hand\n"
    assert len(sessions) == 1
    assert left_behind(sessions[0].name, sessions[0]) == []
