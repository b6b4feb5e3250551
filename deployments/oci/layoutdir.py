"""A directory read as an archive is: entries in turn. Links in it are told, never followed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Self

from .errors import BadMember, NotAnImage, TooLarge, Truncated
from .streams import Counted, Progress
from .tarheader import Kind
from .tarstream import Entry, member_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .limits import ImageLimits

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEPTH = 8
"""Directories within directories: a layout has two."""

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
}


class LayoutReader:
    """A ``Container`` over a directory. Raises NotAnImage, BadMember, TooLarge or Truncated.

    Every directory is opened beneath the one before it and without following links, so that what is read lies within,
    even if somebody changes the directory meanwhile.
    """

    def __init__(self, directory: Path, limits: ImageLimits, on_progress: Progress | None = None) -> None:
        self._directory, self._limits, self._on_progress = directory, limits, on_progress
        self._root = -1
        self._file = _OpenFile()
        self._counted: Counted

    def __enter__(self) -> Self:
        try:
            self._root = os.open(self._directory, _FLAGS | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotAnImage("There is no image layout.") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        os.close(self._root)

    def __iter__(self) -> Iterator[Entry]:
        entries: list[Entry] = []
        for entry in _walk(self._root, "", DEPTH):
            entries.append(entry)
            if len(entries) > self._limits.members:
                raise TooLarge(f"The image layout has more than {self._limits.members} files.")
        total = sum(entry.size for entry in entries)
        self._counted = Counted(self._file, self._limits.archive_bytes, total, self._on_progress)
        for entry in entries:
            self._file.close()
            if entry.kind is Kind.FILE:
                self._file.open(self._root, entry)
            yield entry

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes of the current file, ``b""`` at its end."""
        return self._counted.read(size)


class _OpenFile:
    """The file that is being read, as far as it went when the directory was listed."""

    def __init__(self) -> None:
        self._descriptor, self._left, self._name = -1, 0, ""

    def open(self, root: int, entry: Entry) -> None:
        *directories, name = entry.name.split("/")
        at = os.dup(root)
        try:
            for directory in directories:
                below = os.open(directory, _FLAGS | os.O_DIRECTORY, dir_fd=at)
                os.close(at)
                at = below
            self._descriptor = os.open(name, _FLAGS, dir_fd=at)
        except OSError as error:
            raise Truncated(f"{entry.name!r} cannot be read any more ({error.strerror}).") from error
        finally:
            os.close(at)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise BadMember(f"{entry.name!r} became something else while the image layout was read.")
        self._left, self._name = entry.size, entry.name

    def read(self, size: int, /) -> bytes:
        if not self._left:
            return b""
        data = os.read(self._descriptor, min(size, self._left))
        if not data:
            raise Truncated(f"{self._name!r} became shorter while it was read.")
        self._left -= len(data)
        return data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._left = -1, 0


def _walk(directory: int, prefix: str, depth: int) -> Iterator[Entry]:
    """The entries below an open directory, by name."""
    if depth == 0:
        raise BadMember(f"The directories of the image layout are nested too deeply at {prefix[:200]!r}.")
    for name in sorted(os.listdir(directory)):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        path = member_name(os.fsencode(prefix + name))
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), Kind.FIFO)
        link = os.readlink(name, dir_fd=directory) if kind is Kind.SYMLINK else ""
        yield Entry(path, kind, stat.S_IMODE(found.st_mode), found.st_size if kind is Kind.FILE else 0, link)
        if kind is Kind.DIRECTORY:
            below = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=directory)
            try:
                yield from _walk(below, f"{path}/", depth - 1)
            finally:
                os.close(below)
