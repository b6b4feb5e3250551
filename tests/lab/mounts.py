"""Mounts of this machine: found again in the kernel's own list, so that they are undone whoever made them."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from tests.lab.run import LabError, check, run

MOUNTINFO = Path("/proc/self/mountinfo")


def below(directory: Path) -> list[Path]:
    """Mount points at or below a directory, in the order in which they were made (proc_pid_mountinfo(5))."""
    inside = f"{directory}/"
    points = (_unescape(line.split(" ")[4]) for line in MOUNTINFO.read_text().splitlines())
    return [Path(point) for point in points if f"{point}/".startswith(inside)]


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def unmount_below(directory: Path) -> None:
    """Undo every mount at or below a directory; raises :class:`LabError` if one stays."""
    for _ in range(50):
        points = below(directory)
        if not points:
            return
        for point in reversed(points):
            if run(("umount", str(point))).status != 0:
                # Something still looks into it; detached, it goes when that something does.
                run(("umount", "--lazy", str(point)))
        time.sleep(0.02)
    raise LabError(f"cannot unmount {', '.join(map(str, below(directory)))}")


def remove_tree(directory: Path) -> None:
    """Undo the mounts in a directory, then delete it; never follows a mount into somebody else's files."""
    unmount_below(directory)
    if directory.exists():
        shutil.rmtree(directory)


def bind(source: Path, target: Path) -> None:
    check(("mount", "--bind", str(source), str(target)))


def overlay(lower: Path, upper: Path, work: Path, target: Path) -> None:
    """Mount an overlay that shares no later mount with its copies."""
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    check(("mount", "-t", "overlay", "overlay", "-o", options, str(target)))
    check(("mount", "--make-private", str(target)))


def read_only_view(source: Path, target: Path, writable: tuple[str, ...]) -> None:
    """Show a tree at another place where it can be written only below the named directories."""
    bind(source, target)
    check(("mount", "-o", "remount,bind,ro", str(target)))
    for name in writable:
        check(("mount", "--rbind", str(source / name), str(target / name)))


def disk(image: Path, megabytes: int, target: Path) -> None:
    """Mount an ext4 file system in a file, made on first use; nothing of it is kept back for root, so full
    means full."""
    if not image.exists():
        with image.open("wb") as file:
            os.truncate(file.fileno(), megabytes * 1_000_000)
        check(("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(image)))
    check(("mount", "-o", "loop", str(image), str(target)))
