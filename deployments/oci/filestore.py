"""The content of project files: taken in from archives and uploads, given out as a tar for a node.

Content lies under its SHA-256 in a BlobDirectory of its own (``files_directory``); the tree itself is a manifest
(``deployments.core.filetree``) that the caller keeps.
"""

from __future__ import annotations

import hashlib
import tarfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from deployments.core.filetree_errors import ContentMissing, NotAFile
from deployments.core.filetree_names import PLAIN_MODE

from .blobs import GRACE, BlobDirectory, Removed
from .compression import open_outer
from .fileintake import DEFAULT_LIMITS, FilesLimits, Intake, files_errors
from .filezip import ZIP_MAGICS, take_zip
from .streams import Budget, Counted, Peekable, Progress, Readable, chunks
from .tarheader import BLOCK, Kind
from .tarstream import TarReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from deployments.core.filetree import FileEntry, FileTree


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a directory that a browser sends: its path within the directory, and a stream."""

    path: str
    content: Readable
    mode: int = PLAIN_MODE


def files_directory(directory: Path) -> BlobDirectory:
    """The blobs of project files below ``directory``, made where they are not yet."""
    return BlobDirectory(directory / "blobs", directory / "scratch")


def import_files(
    source: Path | BinaryIO,
    blobs: BlobDirectory,
    limits: FilesLimits = DEFAULT_LIMITS,
    on_progress: Progress | None = None,
) -> FileTree:
    """Take in a tar, tar.gz, tar.bz2, tar.zst or zip; directories are implied by their files, empty ones not kept.

    ``source`` is a file or a stream that is only read (a zip stream is spooled into the store's scratch directory).
    ``on_progress`` gets (bytes read, bytes in all or None); what it raises ends the import. Raises FilesError;
    whatever is raised, nothing of the upload stays. Memory: a few MiB and the names.
    """
    with ExitStack() as stack:
        stack.enter_context(files_errors())
        total: int | None = None
        if isinstance(source, Path):
            total = source.stat().st_size
            source = stack.enter_context(source.open("rb"))
        upload = Peekable(Counted(source, limits.archive_bytes, total, on_progress))
        workspace = stack.enter_context(blobs.workspace())
        intake = Intake(workspace, limits)
        if upload.peek(4) in ZIP_MAGICS:
            take_zip(upload, workspace, intake)
        else:
            _take_tar(upload, intake)
        return intake.finish()


def import_uploads(uploads: Iterable[Upload], blobs: BlobDirectory, limits: FilesLimits = DEFAULT_LIMITS) -> FileTree:
    """Take in the files of one directory as a browser sends them. Raises FilesError; nothing stays then."""
    with files_errors(), blobs.workspace() as workspace:
        intake = Intake(workspace, limits)
        for upload in uploads:
            intake.add(upload.path, upload.mode, upload.content)
        return intake.finish()


def tar_of(tree: FileTree, paths: Collection[str], blobs: BlobDirectory) -> Iterator[bytes]:
    """The tar of some files of a tree, chunk by chunk: the same bytes for the same files, whenever and wherever.

    Order by path, owner 0, time 0, pax headers for long names. Raises ContentMissing when a file's content is gone or
    is no longer what the manifest says; the stream then ends before the tar does, so that no reader takes it for
    whole. Raises KeyError for a path that is not in the tree.
    """
    wanted = set(paths)
    if unknown := wanted - {entry.path for entry in tree.entries}:
        raise KeyError(min(unknown))
    for entry in tree.entries:
        if entry.path in wanted:
            yield from _member(entry, blobs)
    yield bytes(2 * BLOCK)


def collect(blobs: BlobDirectory, keep: Iterable[FileTree], *, grace: float = GRACE) -> Removed:
    """Remove the content that no tree in ``keep`` needs and that is older than ``grace`` seconds.

    Raises Busy while an upload is being taken in; nothing is removed then.
    """
    needed = {entry.digest for tree in keep for entry in tree.entries}
    with files_errors(), blobs.alone():
        return blobs.remove_all_but(needed | blobs.younger_than(grace))


def _take_tar(upload: Peekable, intake: Intake) -> None:
    limits = intake.limits
    outer = open_outer(upload, Budget(limits.expanded_bytes), empty="The upload is empty.")
    tar = TarReader(outer, members=limits.files * 2)
    for entry in tar:
        if entry.kind is Kind.DIRECTORY:
            continue
        if entry.kind is not Kind.FILE:
            raise NotAFile(f"{entry.name!r} is a {entry.kind.value}.")
        intake.add(entry.name, entry.mode, tar)


def _member(entry: FileEntry, blobs: BlobDirectory) -> Iterator[bytes]:
    header = tarfile.TarInfo(entry.path)
    header.size, header.mode = entry.size, entry.mode
    yield header.tobuf(tarfile.PAX_FORMAT)
    hashed, size = hashlib.sha256(), 0
    with files_errors(), blobs.open(entry.digest) as blob:
        for chunk in chunks(blob):
            hashed.update(chunk)
            size += len(chunk)
            if size > entry.size:
                break
            yield chunk
    if size != entry.size or hashed.hexdigest() != entry.sha256:
        raise ContentMissing(f"The content of {entry.path!r} is damaged on this machine's disk.")
    yield bytes(-size % BLOCK)
