"""What a session still has on this machine. Tests compare it with nothing."""

from __future__ import annotations

from pathlib import Path

from tests.lab import cgroups, mounts, network


def left_behind(session: str, directory: Path) -> list[str]:
    """Everything that carries a session's id: processes, cgroups, links, namespaces, mounts, files."""
    links, spaces = network.leftovers(session)
    group = cgroups.of_session(session)
    inside = group.relative_to(cgroups.top())
    found = [f"link {name}" for name in links] + [f"namespace {name}" for name in spaces]
    found += [f"process {pid}" for pid in (*cgroups.processes(group), *_started_with(f"ffs{session}-"))]
    hierarchies = (*cgroups.hierarchies("cgroup"), *cgroups.hierarchies("cgroup2"))
    found += [f"cgroup {place / inside}" for place in hierarchies if (place / inside).exists()]
    found += [f"mount {point}" for point in mounts.below(directory)]
    found += [
        f"file {path}"
        for path in (directory, *Path("/run/systemd/nspawn").glob(f"*/ffs{session}-*"))
        if path.exists()
    ]
    return found


def _started_with(word: str) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found
