"""The data directory: whose it is, whether it can be written, how full it is, and on what file system it lies."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .findings import Finding, fail, ok, warn

if TYPE_CHECKING:
    from ffsweb.env import Environment

OVER_THE_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs"}
)
PASSING: Final = frozenset({"tmpfs", "ramfs", "overlay"})
MOVED_BETWEEN: Final = ("incoming", "uploads", "pushes", "oci", "files")
"""Where uploads come and where they go: a rename, which only one file system has."""
FULL, NEARLY_FULL = 1 * 10**9, 10 * 10**9


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the directory. ``elsewhere``: its parts that lie on another file system."""

    path: Path
    exists: bool
    owner: int = 0
    mode: int = 0
    writable: bool = False
    size: int = 0
    free: int = 0
    kind: str = ""
    elsewhere: tuple[str, ...] = ()


def look(values: Environment) -> Iterator[Finding]:
    """The place of FFSWEB_DATA."""
    sqlite = values.database_url.startswith("sqlite")
    return judge(gathered(values.data), uid=os.geteuid(), sqlite=sqlite)


def gathered(path: Path) -> Place:
    """Looks only. Raises OSError."""
    if not path.is_dir():
        return Place(path, exists=False)
    status, usage = path.stat(), shutil.disk_usage(path)
    elsewhere = tuple(
        name for name in MOVED_BETWEEN if (path / name).exists() and (path / name).stat().st_dev != status.st_dev
    )
    return Place(
        path=path,
        exists=True,
        owner=status.st_uid,
        mode=stat.S_IMODE(status.st_mode),
        writable=os.access(path, os.W_OK | os.X_OK),
        size=usage.total,
        free=usage.free,
        kind=kind_of(path.resolve(), Path("/proc/self/mountinfo")),
        elsewhere=elsewhere,
    )


def judge(place: Place, *, uid: int, sqlite: bool) -> Iterator[Finding]:
    """Pure."""
    path = place.path
    if not place.exists:
        yield fail(f"{path} is not there.", "Run `ffs prepare`, or mount what FFSWEB_DATA means.")
        return
    if uid == 0 and place.owner != 0:
        yield warn(
            f"ffs doctor runs as root, and {path} belongs to user {place.owner}.",
            f"Start it as that user, to see what ffsweb sees: setpriv --reuid={place.owner} ffs doctor",
        )
    elif place.owner not in {uid, 0} or not place.writable:
        text = (
            f"{path} belongs to user {place.owner}; user {uid} {'can' if place.writable else 'cannot'} write there."
        )
        yield fail(text, f"Start ffsweb as user {place.owner}, or chown -R the directory.")
    if place.mode & 0o077:
        yield warn(f"{path} has mode {place.mode:04o}: others can look in.", f"chmod go= {path}")
    if place.elsewhere:
        yield fail(
            f"{', '.join(place.elsewhere)} in {path} are on another file system.",
            "What is uploaded is moved by rename, and would fail at its end. Mount FFSWEB_DATA as a whole.",
        )
    yield from _system(place, sqlite=sqlite)
    yield _room(place)


def _system(place: Place, *, sqlite: bool) -> Iterator[Finding]:
    if place.kind in OVER_THE_NETWORK:
        text = f"{place.path} is on {place.kind}, a file system over the network."
        if sqlite:
            yield fail(text, "SQLite loses data there: use a disk of this machine, or PostgreSQL (DATABASE_URL).")
        else:
            yield warn(text, "Images become slow, and locks may not hold: use a disk of this machine.")
    elif place.kind in PASSING:
        text = f"{place.path} is on {place.kind}: it goes with the machine's next start, or with the container."
        yield warn(text, "Put FFSWEB_DATA on a disk or a volume.")


def _room(place: Place) -> Finding:
    free, size = f"{place.free / 10**9:.1f} GB", f"{place.size / 10**9:.1f} GB"
    text = f"{place.path}: {free} of {size} are free ({place.kind or 'of an unknown type'})."
    if place.free < FULL:
        return fail(text, "Make room: *System → Image store* collects what nobody needs.")
    return warn(text, "An upload needs three times its size for a while.") if place.free < NEARLY_FULL else ok(text)


def kind_of(path: Path, mounts: Path) -> str:
    """The type of the file system that ``path`` is on, by a mountinfo file (proc(5)); "" if that is not told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape"))
        if (point == path or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind
