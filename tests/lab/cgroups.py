"""One cgroup for each node: how its processes are found, counted and ended, all of them at once.

Without one of its own, every node would get the same ``payload`` group below the group of whoever started it,
and the systemds in them would stop each other's services. The version 2 hierarchy is used; it is there also
where the machine mounts its controllers in version 1 ("hybrid").
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tests.lab.mounts import MOUNTINFO
from tests.lab.run import LabError

PREFIX = "ffsweb-lab-"


def hierarchies(kind: str) -> list[Path]:
    """Where this machine has mounted whole cgroup hierarchies of a kind, ``cgroup`` (version 1) or
    ``cgroup2``."""
    found = []
    for line in MOUNTINFO.read_text().splitlines():
        fields, _, source = line.partition(" - ")
        if source.startswith(f"{kind} ") and fields.split(" ")[3] == "/":
            found.append(Path(fields.split(" ")[4]))
    return found


def top() -> Path:
    """Where this machine has the cgroup version 2 hierarchy; raises :class:`LabError` if it has none."""
    for place in hierarchies("cgroup2"):
        return place
    raise LabError(
        "no cgroup version 2 hierarchy is mounted here (`mount -t cgroup2 none /sys/fs/cgroup` on bare machines)"
    )


def of_session(session: str) -> Path:
    return top() / f"{PREFIX}{session}"


def _directories(group: Path) -> list[Path]:
    """A cgroup and all below it, the deepest first, without those that vanish meanwhile (systemd's do)."""
    return [Path(directory) for directory, _, _ in os.walk(group, topdown=False)]


def processes(group: Path) -> list[int]:
    """Process ids in a cgroup and all below it, as this process sees them."""
    found: list[int] = []
    for directory in _directories(group):
        with contextlib.suppress(OSError):
            found += map(int, (directory / "cgroup.procs").read_text().split())
    return sorted(set(found) - {0})


def populated(group: Path) -> bool:
    """Whether anything runs in a cgroup or below it."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError:
        return False


def kill(group: Path, timeout: float = 10.0) -> None:
    """End every process at once, as a power cut would (cgroup.kill, Linux 5.14), and wait until they are
    gone."""
    with contextlib.suppress(FileNotFoundError):
        (group / "cgroup.kill").write_text("1")
    if not wait_empty(group, timeout):
        raise LabError(f"processes {processes(group)} in {group} survive SIGKILL")


def wait_empty(group: Path, timeout: float) -> bool:
    """Wait until nothing runs in a cgroup; False after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while populated(group):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def remove(group: Path) -> None:
    """Remove an empty cgroup and all below it, with the copies that nspawn makes of it in version 1
    hierarchies."""
    inside = group.relative_to(top())
    for place in (*hierarchies("cgroup"), top()):
        _remove(place / inside)


def _remove(group: Path) -> None:
    for _ in range(200):
        for directory in _directories(group):
            with contextlib.suppress(OSError):
                directory.rmdir()
        if not group.exists():
            return
        time.sleep(0.01)
    raise LabError(f"cannot remove the cgroup {group}")
