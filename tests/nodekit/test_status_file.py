"""The supervisor's status file, which the service may write itself: what ``ffs-node facts`` takes from it, and what not."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands
from deployments.core.facts import facts_from

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program

CHILD = {"name": "app", "state": "healthy", "heartbeat_age": 1.5, "restarts": 2, "reason": "hung"}
STATUS = {"version": 1, "at": 1_800_000_000.0, "state": "healthy: app", "children": [CHILD], "before": None}
NOTIFIES = "Notify=true\n"
"""The line of a unit in whose container a supervisor may run."""

LIMIT = 64 * 1024


class Place:
    """A service whose unit runs the supervisor, and the file that the supervisor writes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.unit = program.root / "etc/containers/systemd/ffs-www.container"
        self.unit.parent.mkdir(parents=True)
        self.unit.write_text(f"[Container]\n{NOTIFIES}\n[X-FFS]\nProject=serbest\nRelease=1\n")
        (program.root / "etc/os-release").write_text("PRETTY_NAME=Linux\n")
        (program.root / "etc/machine-id").write_text("07" * 16 + "\n")
        self.file = program.service / "data" / ".ffs-status.json"
        self.file.parent.mkdir(parents=True)

    def write(self, status: dict[str, Any], blanks: int = 0) -> None:
        self.file.write_text(json.dumps(status) + " " * blanks)

    def told(self) -> Any:
        """The heartbeats in the facts; the rest of the facts has to be whole."""
        said = self.program.command(node_commands.facts())
        assert said.code == "ok", said
        assert said.result["services"]["www"]["release"] == 1
        return said.result["services"]["www"]["heartbeats"]


@pytest.fixture
def place(as_root: Program) -> Place:
    if shutil.which("systemctl") is None:
        pytest.skip("the facts ask systemctl, which is not installed")
    return Place(as_root)


def test_name_state_age_restarts_and_reason_of_each_program_are_told(place: Place) -> None:
    place.write(STATUS)
    assert place.told() == STATUS
    www = facts_from(place.program.command(node_commands.facts()).result).services["www"]
    assert www.heartbeats is not None
    (child,) = www.heartbeats.children
    assert (child.name, child.state, child.beat_age) == ("app", "healthy", 1.5)
    assert (child.restarts, child.reason) == (2, "hung")


@pytest.mark.parametrize("notifies", ["", "Notify=healthy\n", "# Notify=true\n"])
def test_a_file_that_another_release_left_is_not_told_of(place: Place, notifies: str) -> None:
    place.write(STATUS)
    place.unit.write_text(place.unit.read_text().replace(NOTIFIES, notifies))
    assert place.told() is None
    place.unit.unlink()
    assert place.program.command(node_commands.facts()).result["services"]["www"]["heartbeats"] is None


def test_a_link_is_not_followed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps(STATUS))
    place.file.symlink_to(tmp_path / "elsewhere")
    assert place.told() is None


def test_a_pipe_and_a_directory_are_not_waited_for(place: Place) -> None:
    os.mkfifo(place.file)
    assert place.told() is None
    place.file.unlink()
    place.file.mkdir()
    assert place.told() is None


def test_of_a_large_file_no_more_than_64_kib_count(place: Place) -> None:
    size = len(json.dumps(STATUS))
    place.write(STATUS, LIMIT - size)
    assert place.told() == STATUS
    place.write(STATUS | {"before": "x" * LIMIT})
    assert place.told() is None
    with place.file.open("r+b") as file:
        file.truncate(50 * 1024**3)
    assert place.told() is None


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"a": 1} {"b": 2}', b"\xff\xfe{}", b"\0" * 100])
def test_what_is_no_object_is_not_told_of(place: Place, text: bytes) -> None:
    place.file.write_bytes(text)
    assert place.told() is None
