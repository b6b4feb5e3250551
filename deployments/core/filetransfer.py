"""How a tree of project files gets to a node that has another one: what travels, and what the node has already. Pure.

A file whose content the node has, under whatever name, is copied there. A large file that changed may travel as a
difference to the one that the node has. All others travel whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from .filetree import FileTree, diff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .filetree import FileEntry

ALIKE_FROM = 256_000
"""Bytes from which on a file may travel as a difference: below that, compressing it costs as little."""

ALIKE_TO = 256 * 1024 * 1024
"""Bytes up to which it may: who makes and who applies a difference needs about three times as much memory."""

_SIMILAR = 0.6
_COMPARISONS = 20_000


@dataclass(frozen=True, slots=True)
class Copied:
    """A file whose content the base release has under the path ``source``; ``moved`` if it leaves there."""

    path: str
    source: str
    size: int
    moved: bool


@dataclass(frozen=True, slots=True)
class Alike:
    """A new content, and the file of the base release that it probably is a change of."""

    entry: FileEntry
    old: FileEntry


@dataclass(frozen=True, slots=True)
class Transfer:
    """All files of the new tree but those that stay as they are; each list by path."""

    whole: tuple[FileEntry, ...]
    alike: tuple[Alike, ...]
    copied: tuple[Copied, ...]

    @property
    def size(self) -> int:
        """Bytes of all content that the node lacks: the most that can have to travel."""
        return sum(entry.size for entry in self.whole) + sum(each.entry.size for each in self.alike)


def transfer(base: FileTree, new: FileTree) -> Transfer:
    """How ``new`` gets to a node that has ``base``."""
    changes = diff(base, new)
    removed = {entry.path: entry for entry in changes.removed}
    sources = _Sources(base, removed)
    copied, lacking = [], []
    for entry in sorted((*changes.added, *changes.changed), key=_by_path):
        source = sources.find(entry)
        if source is None:
            lacking.append(entry)
        else:
            copied.append(source)
    likely = _Likely(base, removed)
    pairs = [(entry, likely.find(entry)) for entry in lacking]
    return Transfer(
        whole=tuple(entry for entry, old in pairs if old is None),
        alike=tuple(Alike(entry, old) for entry, old in pairs if old is not None),
        copied=tuple(copied),
    )


class _Sources:
    """Which file of the base has a content; each that leaves is given away once, first for the same last name."""

    def __init__(self, base: FileTree, removed: dict[str, FileEntry]) -> None:
        self._leaving: dict[str, list[FileEntry]] = {}
        self._any: dict[str, FileEntry] = {}
        for entry in base.entries:
            self._any.setdefault(entry.sha256, entry)
            if entry.path in removed:
                self._leaving.setdefault(entry.sha256, []).append(entry)

    def find(self, entry: FileEntry) -> Copied | None:
        if not entry.size or entry.sha256 not in self._any:
            return None  # an empty file costs less to send than to copy
        leaving = self._leaving.get(entry.sha256, [])
        if leaving:
            name = _name(entry)
            source = next((each for each in leaving if _name(each) == name), leaving[0])
            leaving.remove(source)
            return Copied(entry.path, source.path, entry.size, moved=True)
        return Copied(entry.path, self._any[entry.sha256].path, entry.size, moved=False)


class _Likely:
    """The file of the base that a large new one probably comes from: its path's, or one that leaves a like name."""

    def __init__(self, base: FileTree, removed: dict[str, FileEntry]) -> None:
        self._large = {entry.path: entry for entry in base.entries if _fits(entry)}
        self._leaving = [entry for path, entry in self._large.items() if path in removed]
        self._left = _COMPARISONS

    def find(self, entry: FileEntry) -> FileEntry | None:
        if not _fits(entry):
            return None
        return self._large.get(entry.path) or self._by_name(entry, self._leaving)

    def _by_name(self, entry: FileEntry, leaving: Sequence[FileEntry]) -> FileEntry | None:
        self._left -= len(leaving)
        if self._left < 0:
            return None
        best, found = _SIMILAR, None
        for each in leaving:
            ratio = SequenceMatcher(None, _name(each), _name(entry), autojunk=False).ratio()
            if ratio >= best:
                best, found = ratio, each
        return found


def _fits(entry: FileEntry) -> bool:
    return ALIKE_FROM <= entry.size <= ALIKE_TO


def _name(entry: FileEntry) -> str:
    return entry.path.rpartition("/")[2]


def _by_path(entry: FileEntry) -> bytes:
    return entry.path.encode()
