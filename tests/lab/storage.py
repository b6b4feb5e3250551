"""A node's disks: an overlay on the shared base, volumes of its own, and the view of them that the node
gets."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.lab import mounts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BALLAST = ".ballast"


def assemble(directory: Path, base: Path, disks: Mapping[str, int]) -> None:
    """Mount a node's disks below its directory, unless they are: all of them, or none if one cannot be.

    ``root`` is the disk as this machine sees it; ``tree`` is the same as FCOS would have it, writable in /etc
    and /var alone. ``disks`` gives the size in megabytes of what is mounted at each path, 0 for a plain
    directory of this machine's.
    """
    if mounts.below(directory):
        return
    try:
        _assemble(directory, base, disks)
    except BaseException:
        mounts.unmount_below(directory)
        raise


def _assemble(directory: Path, base: Path, disks: Mapping[str, int]) -> None:
    upper, work, root, tree, volumes = (directory / name for name in ("upper", "work", "root", "tree", "volumes"))
    for place in (upper, work, root, tree, volumes):
        place.mkdir(exist_ok=True)
    upper.chmod(0o755)  # it is the node's / itself
    mounts.overlay(base, upper, work, root)
    for index, (path, megabytes) in enumerate(disks.items()):
        point = root / path.lstrip("/")
        point.mkdir(parents=True, exist_ok=True)
        if megabytes:
            mounts.disk(volumes / f"{index}.img", megabytes, point)
        else:
            (volumes / str(index)).mkdir(exist_ok=True)
            mounts.bind(volumes / str(index), point)
    mounts.read_only_view(root, tree, writable=("etc", "var"))


def wipe(directory: Path) -> None:
    """Unmount a node's disks and forget what was on them."""
    mounts.unmount_below(directory)
    for name in ("upper", "work", "volumes"):
        if (directory / name).exists():
            shutil.rmtree(directory / name)


def fill(point: Path, leave: int) -> None:
    """Use up a file system until ``leave`` bytes are free."""
    ballast = point / BALLAST
    with ballast.open("ab") as file:
        step = 64 << 20
        while step >= 4096:
            status = os.statvfs(ballast)
            wanted = min(step, status.f_bavail * status.f_frsize - leave)
            if wanted <= 0:
                return
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, wanted)
            except OSError:  # the file system needs some of the rest for itself
                step //= 2


def drain(point: Path) -> None:
    """Give back what :func:`fill` used."""
    (point / BALLAST).unlink(missing_ok=True)
