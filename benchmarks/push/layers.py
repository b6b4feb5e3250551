"""A tree as a layer: its tar, made once and kept in the lab's cache."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.push import recipe, trees
from tests.lab.base import cached
from tests.lab.run import check

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES: Final = (Path(recipe.__file__), Path(trees.__file__), Path(__file__))
KINDS: Final = {"base": trees.base, "dependencies": trees.dependencies, "application": trees.application}


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed layer. ``diff_id`` is its digest, ``size`` its bytes, ``files`` how many members it has."""

    path: Path
    diff_id: str
    size: int
    files: int


def layer(kind: str, which: str) -> Layer:
    """The layer ``kind`` in its form ``which``; the first call on a machine makes it, half a minute."""
    place = cached(f"bench-{kind}-{which}", SOURCES, partial(_make, KINDS[kind], which), extra=f"{kind} {which}")
    told: dict[str, Any] = json.loads((place / "layer.json").read_text())
    return Layer(place / "layer.tar", told["diff_id"], told["size"], told["files"])


def _make(fill: Callable[[Path, str], None], which: str, place: Path) -> None:
    tree, tar = place / "tree", place / "layer.tar"
    tree.mkdir()
    fill(tree, which)
    files = _tar(tree, tar)
    check(("rm", "--recursive", "--force", "--one-file-system", str(tree)))
    told = {"diff_id": f"sha256:{_sha(tar)}", "size": tar.stat().st_size, "files": files}
    (place / "layer.json").write_text(json.dumps(told))


def _tar(tree: Path, tar: Path) -> int:
    """The members in order, owned as they are; device nodes belong to no image."""
    count = 0
    with tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            info = archive.gettarinfo(str(path), str(path.relative_to(tree)))
            if info is None or info.isdev():
                continue
            info.uname = info.gname = ""
            count += 1
            if info.isreg():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            else:
                archive.addfile(info)
    return count


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
