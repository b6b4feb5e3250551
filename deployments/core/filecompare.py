"""Two trees of project files side by side, as people read it: what is new, changed, moved, gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .filetransfer import transfer
from .filetree import diff

if TYPE_CHECKING:
    from .filetransfer import Copied, Transfer
    from .filetree import FileEntry, FileTree


@dataclass(frozen=True, slots=True)
class Comparison:
    """What leads from one tree to another, each by path; a file that moved is neither new nor gone.

    ``travel`` is what of it a node needs that has the old tree.
    """

    added: tuple[FileEntry, ...]
    changed: tuple[FileEntry, ...]
    mode_changed: tuple[FileEntry, ...]
    moved: tuple[Copied, ...]
    removed: tuple[FileEntry, ...]
    travel: Transfer

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.mode_changed or self.moved or self.removed)


def compare(old: FileTree, new: FileTree) -> Comparison:
    """What has to change for ``old`` to become ``new``."""
    changes, travel = diff(old, new), transfer(old, new)
    added = {entry.path for entry in changes.added}
    moved = {copy.path: copy for copy in travel.copied if copy.moved and copy.path in added}
    left = {copy.source for copy in moved.values()}
    return Comparison(
        added=tuple(entry for entry in changes.added if entry.path not in moved),
        changed=changes.changed,
        mode_changed=changes.mode_changed,
        moved=tuple(moved.values()),
        removed=tuple(entry for entry in changes.removed if entry.path not in left),
        travel=travel,
    )
