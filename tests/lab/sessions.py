"""Sessions: who owns which nodes, what a session has on this machine, and how all of it goes away.

A session is a directory below the cache with a record of its owner: process id and start time, because ids
are used again, and the boot they belong to. Everything it makes carries its id, so it can be taken down from
the record alone, by its owner or, when that was killed, by whoever opens the next session.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups, mounts, network
from tests.lab.host import cache, locked

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NETWORK_LOCK = Path("/run/ffsweb-lab.lock")
NSPAWN_STATE = Path("/run/systemd/nspawn/propagate")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, named so that no other process is ever taken for it."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Owner:
        """Read a living process's identity; raises ``OSError`` if there is none."""
        return cls(pid, _started(pid), BOOT_ID.read_text().strip())

    @property
    def alive(self) -> bool:
        try:
            return Owner.of(self.pid) == self
        except OSError:
            return False


def _started(pid: int) -> int:
    """Start time in clock ticks since boot: field 22 of proc_pid_stat(5), counted after the name, which may
    hold anything."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@dataclass(frozen=True, slots=True)
class Session:
    """One owner's share of this machine. ``owner`` is None for the session of the command line, which is
    kept."""

    id: str
    directory: Path
    network: ipaddress.IPv4Network
    owner: Owner | None

    @property
    def nodes(self) -> Path:
        return self.directory / "nodes"

    @property
    def cgroup(self) -> Path:
        return cgroups.of_session(self.id)


def sessions_directory() -> Path:
    place = cache() / "sessions"
    place.mkdir(exist_ok=True)
    return place


def create() -> Session:
    """Sweep what dead owners left, then make a session that belongs to this process."""
    with locked(cache() / "sessions.lock"):
        _sweep()
        return _create(secrets.token_hex(2), Owner.of(os.getpid()))


def kept() -> Session:
    """The command line's session: made when it is first asked for, and kept until its last node is
    removed."""
    with locked(cache() / "sessions.lock"):
        _sweep()
        identity = f"h{hashlib.sha256(bytes(cache())).hexdigest()[:3]}"  # one for each cache directory
        return _load(sessions_directory() / identity) or _create(identity, None)


def _create(identity: str, owner: Owner | None) -> Session:
    directory = sessions_directory() / identity
    with locked(NETWORK_LOCK):  # held over choosing and taking: another cache's sessions choose from the same range
        session = Session(identity, directory, network.free_network(network.in_use()), owner)
        session.nodes.mkdir(parents=True)
        _save(session)
        network.make_bridge(identity, session.network)
    return session


def _save(session: Session) -> None:
    owner = session.owner
    record = {
        "network": str(session.network),
        "owner": owner and {"pid": owner.pid, "started": owner.started, "boot": owner.boot},
    }
    unfinished = session.directory / "session.json.new"
    unfinished.write_text(json.dumps(record))
    unfinished.rename(session.directory / "session.json")


def _load(directory: Path) -> Session | None:
    try:
        record = json.loads((directory / "session.json").read_text())
    except FileNotFoundError:
        return None
    owner = record["owner"]
    return Session(
        id=directory.name,
        directory=directory,
        network=ipaddress.IPv4Network(record["network"]),
        owner=owner and Owner(owner["pid"], owner["started"], owner["boot"]),
    )


def _sweep() -> None:
    """Destroy the sessions whose owner is gone, and those that were never finished. Call with the lock
    held."""
    for directory in sessions_directory().iterdir():
        session = _load(directory)
        if session is None or (session.owner is not None and not session.owner.alive):
            destroy(directory)


def destroy(directory: Path) -> None:
    """Take down everything that carries a session's id. Does what is left to do, so it may be called twice,
    or after a crash."""
    identity = directory.name
    group = cgroups.of_session(identity)
    cgroups.kill(group)
    cgroups.remove(group)
    network.remove_all(identity)
    mounts.remove_tree(directory)
    for state in NSPAWN_STATE.glob(f"ffs{identity}-*"):
        with contextlib.suppress(OSError):
            mounts.unmount_below(state)
            shutil.rmtree(state)
