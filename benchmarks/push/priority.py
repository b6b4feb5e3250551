"""Nodes come last for the processor: in life they are machines of their own and take none of the dashboard's."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab

LEAST: Final = {"cgroup": ("cpu.shares", "2"), "cgroup2": ("cpu.weight", "1")}
"""By the kind of hierarchy: the file and the least it takes (cgroups(7), the kernel's "Control Group v2")."""


@contextmanager
def last(lab: Lab) -> Iterator[bool]:
    """All nodes of a lab have the least weight while the block lasts; whether this machine can do that.

    What a node starts meanwhile has it too. Nodes that were booted before are meant, not later ones.
    """
    group = cgroups.of_session(lab.session.id)
    if "cpu" in (group.parent / "cgroup.controllers").read_text().split():
        name, least = LEAST["cgroup2"]
        (group.parent / "cgroup.subtree_control").write_text("+cpu\n")
        (group / name).write_text(least)
        yield True
        return
    controller = next((place for place in cgroups.hierarchies("cgroup") if (place / "cpu.shares").exists()), None)
    if controller is None:
        yield False
        return
    ours = controller / group.name
    ours.mkdir()
    try:
        name, least = LEAST["cgroup"]
        (ours / name).write_text(least)
        _move(cgroups.processes(group), ours)
        yield True
    finally:
        _move(cgroups.processes(ours), controller)
        ours.rmdir()


def _move(processes: list[int], group: Path) -> None:
    for process in processes:
        try:
            (group / "cgroup.procs").write_text(str(process))
        except ProcessLookupError:
            continue  # it ended; what it started is where it was, or is in the list
