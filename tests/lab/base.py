"""The root file system that all nodes share: built once, kept below the cache directory, found again by its
recipe's hash."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import recipe
from tests.lab.host import cache, locked
from tests.lab.mounts import remove_tree
from tests.lab.run import check

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_TIMEOUT = 900.0
KEPT_UNUSED = 3 * 24 * 3600.0
"""Seconds after which a base of another recipe, which nobody used, is removed."""


def cached(name: str, sources: tuple[Path, ...], build: Callable[[Path], None], *, extra: str = "") -> Path:
    """Return the directory ``name-HASH`` of the cache, where HASH covers the sources' text; build it if it is
    not there.

    ``build`` gets an empty directory to fill. The directory appears under its name when it is complete and
    never before; a second process that wants the same one waits for the first. Cost when it exists: hashing
    the sources.
    """
    digest = hashlib.sha256(extra.encode())
    for source in sources:
        digest.update(source.read_bytes())
    place = cache() / f"{name}-{digest.hexdigest()[:16]}"
    with locked(cache() / f"{name}.lock"):
        if not place.is_dir():
            for leftover in cache().glob(f"unfinished-{name}-*"):
                remove_tree(leftover)  # of a build that was killed
            unfinished = Path(tempfile.mkdtemp(prefix=f"unfinished-{name}-", dir=cache()))
            try:
                unfinished.chmod(0o755)
                build(unfinished)
                unfinished.rename(place)
            except BaseException:
                remove_tree(unfinished)
                raise
        stamp = place.with_name(f"{place.name}.used")
        stamp.touch()
        _remove_unused(name, keep=stamp)
    return place


def _remove_unused(name: str, keep: Path) -> None:
    for stamp in cache().glob(f"{name}-*.used"):
        if stamp != keep and time.time() - stamp.stat().st_mtime > KEPT_UNUSED:
            stale = stamp.with_suffix("")
            with contextlib.suppress(OSError):  # renamed first: half a base must never have a base's name
                remove_tree(stale.rename(stale.with_name(f"unfinished-{stale.name}")))
            stamp.unlink(missing_ok=True)


def base() -> Path:
    """Return the base's directory; the first call on a machine builds it (half a minute and a Debian
    mirror)."""
    return cached("base", (Path(recipe.__file__), Path(__file__)), _build)


def _build(tree: Path) -> None:
    exclude = tuple(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.LEFT_OUT)
    check(
        (
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(recipe.PACKAGES)}"),
            *exclude,
            *(recipe.SUITE, str(tree)),
        ),
        timeout=BUILD_TIMEOUT,
    )
    for name in recipe.REMOVED:
        check(("rm", "--recursive", "--force", str(tree / name)))
    for name, text in recipe.FILES.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name, target in recipe.MOVED.items():
        _move(tree, name, target)
    for command in recipe.COMMANDS:
        check(("chroot", str(tree), *command))
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # every node has its own
    (tree / "var/log/journal").mkdir(exist_ok=True)  # FCOS keeps its journal over a reboot
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").unlink(missing_ok=True)


def _move(tree: Path, name: str, target: str) -> None:
    """Move a directory below /var and leave a relative link in its place."""
    old, new = tree / name, tree / target
    new.parent.mkdir(parents=True, exist_ok=True)
    old.rename(new)
    old.symlink_to(Path(*[".."] * name.count("/")) / target)
