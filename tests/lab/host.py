"""What this machine has and lacks for the lab: packages, rights, directories, kernel settings."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNITION = Path("/usr/lib/dracut/modules.d/30ignition/ignition")
"""Debian and Fedora keep the binary outside PATH, because it is meant for the initramfs."""

INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 8192


class NotPossible(LabError):
    """This machine cannot run a lab: the text lists everything that is missing at once."""


@dataclass(frozen=True, slots=True)
class Needs:
    program: str
    package: str


PROGRAMS = (
    Needs("mmdebstrap", "mmdebstrap"),
    Needs("systemd-nspawn", "systemd-container"),
    Needs(str(IGNITION), "ignition"),
    Needs("ip", "iproute2"),
    Needs("nsenter", "util-linux"),
    Needs("mkfs.ext4", "e2fsprogs"),
    Needs("useradd", "passwd"),
    Needs("buildah", "buildah"),
)


def packages_missing() -> tuple[str, ...]:
    """Debian packages whose programs are not on this machine."""
    return tuple(sorted({need.package for need in PROGRAMS if shutil.which(need.program) is None}))


def missing() -> tuple[str, ...]:
    """Everything that keeps this machine from running a lab, in plain English; empty if it can. No cost to
    speak of."""
    if sys.platform != "linux":
        return (f"the lab needs Linux, this is {sys.platform}",)
    reasons = []
    if os.geteuid() != 0:
        reasons.append("the lab needs root (it makes containers, mounts and network links)")
    if packages := packages_missing():
        reasons.append(f"packages are missing: apt-get install --no-install-recommends {' '.join(packages)}")
    return tuple(reasons)


def require() -> None:
    """Raise :class:`NotPossible` unless a lab can run here."""
    if reasons := missing():
        raise NotPossible("; ".join(reasons))


def cache() -> Path:
    """Where bases, images and sessions are kept: FFSWEB_LAB_CACHE, else /var/tmp/ffsweb-lab.

    It has to be on a file system that can be the lower and upper half of an overlay (not itself an overlay).
    """
    place = Path(os.environ.get("FFSWEB_LAB_CACHE") or "/var/tmp/ffsweb-lab")
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o711)  # Ignition writes a user's keys with that user's rights, so others may pass through, not look
    return place.resolve()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; other processes and threads wait. The kernel lets go when a holder
    dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def raise_inotify_limit() -> None:
    """Let more than about 25 nodes run at once.

    Every systemd takes several inotify instances, all nodes' root is the same user to the kernel, and its
    default is 128 for each user. The limit costs nothing by itself, so it is left raised.
    """
    if int(INOTIFY_INSTANCES.read_text()) < INOTIFY_WANTED:
        INOTIFY_INSTANCES.write_text(f"{INOTIFY_WANTED}\n")
