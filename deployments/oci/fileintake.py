"""Project files on their way in: each is checked, counted and written as a draft; all are kept, or none."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.core.filetree import FileEntry, FileTree, tree_of
from deployments.core.filetree_errors import (
    BadPath,
    Busy,
    Clash,
    ContentMissing,
    NoRoom,
    TooMuch,
    Unreadable,
)
from deployments.core.filetree_names import check_path, reduce_mode

from .digests import hex_of
from .errors import ArchiveError, BadMember, BlobMissing, DiskFull, Expands, StoreBusy, TooLarge
from .limits import GIB
from .streams import Readable, chunks, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .drafts import Draft, Workspace


@dataclass(frozen=True, slots=True)
class FilesLimits:
    """Bytes of the upload, bytes of all files together, bytes of one file, number of files."""

    archive_bytes: int = 2 * GIB
    expanded_bytes: int = 4 * GIB
    file_bytes: int = 2 * GIB
    files: int = 50_000


DEFAULT_LIMITS = FilesLimits()


class Intake:
    """Collects the files of one upload."""

    def __init__(self, workspace: Workspace, limits: FilesLimits) -> None:
        self.limits = limits
        self._workspace = workspace
        self._left = limits.expanded_bytes
        self._entries: dict[str, FileEntry] = {}
        self._drafts: list[Draft] = []

    def add(self, path: str, mode: int, content: Readable) -> None:
        """Take one file in. Raises BadPath, BadMode, Clash, TooMuch, and what reading ``content`` raises."""
        check_path(path)
        mode = reduce_mode(mode, path)
        if path in self._entries:
            raise Clash(f"The file {path!r} occurs twice.")
        if len(self._entries) >= self.limits.files:
            raise TooMuch(f"There are more than {self.limits.files} files.")
        with self._workspace.write() as writer:
            for chunk in chunks(content):
                self._charge(path, writer.size, len(chunk))
                writer.write(chunk)
        draft = writer.draft
        self._drafts.append(draft)
        self._entries[path] = FileEntry(path, mode, draft.size, hex_of(draft.digest))

    def finish(self) -> FileTree:
        """Check the tree as a whole and keep its content. Raises FilesError; an empty upload is one."""
        if not self._entries:
            raise Unreadable("There are no files in the upload.")
        tree = tree_of(self._entries.values())
        self._workspace.keep(self._drafts)
        return tree

    def _charge(self, path: str, written: int, more: int) -> None:
        self._left -= more
        if self._left < 0:
            raise TooMuch(f"The files have more than {size_text(self.limits.expanded_bytes)} together.")
        if written + more > self.limits.file_bytes:
            raise TooMuch(f"The file {path!r} has more than {size_text(self.limits.file_bytes)}.")


@contextmanager
def files_errors() -> Iterator[None]:
    """Errors of archives and of the store, in the words of project files."""
    try:
        yield
    except (TooLarge, Expands) as error:
        raise TooMuch(error.what) from error
    except BadMember as error:
        raise BadPath(error.what) from error
    except ArchiveError as error:
        raise Unreadable(error.what) from error
    except BlobMissing as error:
        raise ContentMissing("The content of a file is not in the store.") from error
    except DiskFull as error:
        raise NoRoom(error.what) from error
    except StoreBusy as error:
        raise Busy(error.what) from error
