"""A tree of project files as a manifest: what each file is called, may do, and holds. Pure.

The content is elsewhere, under its SHA-256; two equal trees have equal manifests and equal digests.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .filetree_errors import BadManifest, BadPath, Clash
from .filetree_names import EXECUTABLE_MODE, PLAIN_MODE, check_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"path", "mode", "size", "sha256"}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: path, mode (0o644 or 0o755), bytes, and the SHA-256 of its content in hex."""

    path: str
    mode: int
    size: int
    sha256: str

    @property
    def digest(self) -> str:
        """The content's name in the store."""
        return f"sha256:{self.sha256}"

    def as_json(self) -> dict[str, str | int]:
        """As it stands in a manifest; the mode is a number (420 for 0644)."""
        return {"path": self.path, "mode": self.mode, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class FileTree:
    """Entries by path; made by ``tree_of``."""

    entries: tuple[FileEntry, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def digest(self) -> str:
        """``sha256:`` of the canonical JSON."""
        return f"sha256:{hashlib.sha256(self.encode()).hexdigest()}"

    def as_json(self) -> list[dict[str, str | int]]:
        """The manifest as a list of plain objects, for a row."""
        return [entry.as_json() for entry in self.entries]

    def encode(self) -> bytes:
        """The canonical JSON: by path, sorted keys, no white space, UTF-8."""
        return _canonical(self.as_json())

    def get(self, path: str) -> FileEntry | None:
        """The entry of that path. Costs a walk over the tree."""
        return next((entry for entry in self.entries if entry.path == path), None)


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What leads from one tree to another, each by path. A change of content with one of mode is in ``changed``."""

    added: tuple[FileEntry, ...]
    changed: tuple[FileEntry, ...]
    removed: tuple[FileEntry, ...]
    mode_changed: tuple[FileEntry, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.mode_changed)


def tree_of(entries: Iterable[FileEntry]) -> FileTree:
    """A tree of checked entries, in order.

    Raises BadPath, BadManifest for a bad mode, size or hash, and Clash for a name that occurs twice or is both a file
    and a directory.
    """
    found: dict[str, FileEntry] = {}
    directories: set[str] = set()
    for entry in entries:
        _check(entry)
        if entry.path in found:
            raise Clash(f"The file {entry.path!r} occurs twice.")
        found[entry.path] = entry
        directories.update(parents(entry.path))
    for both in directories & found.keys():
        raise Clash(f"{both!r} is a file and also a directory.")
    return FileTree(tuple(sorted(found.values(), key=lambda entry: _order(entry.path))))


def tree_from_json(value: object) -> FileTree:
    """Read back what ``as_json`` gave, from a row or from a stranger. Raises FilesError."""
    if not isinstance(value, list):
        raise BadManifest("A manifest of files must be a list.")
    return tree_of(_entry(item) for item in value)


def diff(old: FileTree, new: FileTree) -> FileChanges:
    """What has to change for ``old`` to become ``new``."""
    before = {entry.path: entry for entry in old.entries}
    after = {entry.path for entry in new.entries}
    kept = [(before[entry.path], entry) for entry in new.entries if entry.path in before]
    return FileChanges(
        added=tuple(entry for entry in new.entries if entry.path not in before),
        changed=tuple(entry for was, entry in kept if was.sha256 != entry.sha256),
        removed=tuple(entry for entry in old.entries if entry.path not in after),
        mode_changed=tuple(entry for was, entry in kept if was.sha256 == entry.sha256 and was.mode != entry.mode),
    )


def parents(path: str) -> list[str]:
    """The directories that a path needs, nearest first: ``a/b`` and ``a`` for ``a/b/c``."""
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def _check(entry: FileEntry) -> None:
    check_path(entry.path)
    if entry.mode not in (PLAIN_MODE, EXECUTABLE_MODE):
        raise BadManifest(f"The file {entry.path!r} has the mode {entry.mode:o}, which is neither 644 nor 755.")
    if not 0 <= entry.size < 2**63:
        raise BadManifest(f"The file {entry.path!r} has an impossible size.")
    if not _SHA256.fullmatch(entry.sha256):
        raise BadManifest(f"The file {entry.path!r} has a malformed SHA-256.")


def _entry(item: object) -> FileEntry:
    if not isinstance(item, dict) or set(item) != _KEYS:
        raise BadManifest("An entry of a manifest must have path, mode, size and sha256, and nothing else.")
    path, mode, size, sha256 = item["path"], item["mode"], item["size"], item["sha256"]
    if not isinstance(path, str):
        raise BadPath("A file name in the manifest is not a text.")
    if not (type(mode) is int and type(size) is int and isinstance(sha256, str)):
        raise BadManifest(f"The entry of {path[:100]!r} has a value of a wrong type.")
    return FileEntry(path, mode, size, sha256)


def _order(path: str) -> bytes:
    """Order by bytes: the same in every program and language."""
    return path.encode()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
