"""The members of an image archive, taken in as drafts in one pass.

An archive may list its manifest last, so nothing is known of a member when it comes: each is hashed as it stands and,
if it is compressed, unpacked at once and hashed again. What no image needs goes with the workspace.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .compression import unpacked_layer
from .digests import from_hash, is_hex
from .documents import DOCUMENT_LIMIT
from .errors import (
    BadDocument,
    BadLayer,
    BadMember,
    DuplicateMember,
    NotAnImage,
    TooLarge,
    WrongDigest,
)
from .streams import Budget, Peekable, Readable, chunks, size_text
from .tarheader import ZEROS, Kind, has_checksum
from .tarstream import Entry, member_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .drafts import Draft, Workspace
    from .limits import ImageLimits

LINK_LIMIT = 8
"""Links followed one after the other."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: digest and bytes as they stand there, and the draft of its (unpacked) content."""

    name: str
    digest: str
    size: int
    content: Draft
    tar: bool

    @property
    def packed(self) -> bool:
        """Whether the content had to be unpacked."""
        return self.content.digest != self.digest

    def document(self, what: str) -> bytes:
        """The content of a small member. Raises BadDocument beyond 4 MiB."""
        if self.content.size > DOCUMENT_LIMIT:
            raise BadDocument(f"{what} has more than 4 MiB of JSON.")
        return self.content.path.read_bytes()

    def layer(self, what: str) -> Draft:
        """The content as a layer. Raises BadLayer if it is not a tar."""
        if not self.tar:
            raise BadLayer(f"{what} is not a tar archive.")
        return self.content


class Members:
    """What an archive holds, by name."""

    def __init__(self) -> None:
        self._files: dict[str, Member] = {}
        self._links: dict[str, str] = {}

    def add(self, member: Member) -> None:
        """Take a file in. A name below ``blobs/sha256`` is a promise that has to hold."""
        directory, base = posixpath.split(member.name)
        if directory == "blobs/sha256" and is_hex(base) and member.digest != f"sha256:{base}":
            raise WrongDigest(f"{member.name} holds something else: its digest is {member.digest}.")
        self._files[member.name] = member

    def link(self, name: str, target: str) -> None:
        """Take a link in, its target relative to the archive's root."""
        self._links[name] = target

    def __contains__(self, name: str) -> bool:
        return name in self._files or name in self._links

    def find(self, name: str) -> Member | None:
        """The file of that name, through links; None if there is none."""
        for _ in range(LINK_LIMIT):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                return None
            name = self._links[name]
        raise BadMember(f"The links of the archive run in a circle or too far at {name!r}.")

    def get(self, name: str, what: str) -> Member:
        """The file of that name. Raises NotAnImage naming ``what`` if it is not there."""
        found = self.find(member_name(name.encode()))
        if found is None:
            raise NotAnImage(f"The archive does not hold {what} ({name[:200]!r}).")
        return found

    def blob(self, digest: str, what: str) -> Member:
        """A blob of an OCI layout; ``digest`` is of its canonical form."""
        return self.get(f"blobs/{digest.replace(':', '/')}", what)

    def has_blob(self, digest: str) -> bool:
        """Whether an OCI layout's blob is in the archive."""
        return self.find(f"blobs/{digest.replace(':', '/')}") is not None


class Container(Protocol):
    """What members come from: entries in turn, and the data of the current one. A tar, or a directory."""

    def __iter__(self) -> Iterator[Entry]: ...
    def read(self, size: int, /) -> bytes: ...


def take_in(container: Container, workspace: Workspace, limits: ImageLimits, budget: Budget) -> Members:
    """Read everything. Raises ArchiveError, WrongDigest or DiskFull."""
    members = Members()
    directories: set[str] = set()
    for entry in container:
        if entry.kind is Kind.DIRECTORY:
            directories.add(entry.name)
            continue
        if entry.name in members or entry.name in directories or not entry.name:
            raise DuplicateMember(f"The archive holds {entry.name!r} twice.")
        if entry.kind is Kind.FILE:
            members.add(_file(entry, container, workspace, limits, budget))
        else:
            members.link(entry.name, link_target(entry))
    return members


def link_target(entry: Entry) -> str:
    """Where a link points, within the archive. Raises BadMember for what points out of it, and for devices."""
    if entry.kind is Kind.HARDLINK:
        return member_name(entry.link.encode())
    if entry.kind is not Kind.SYMLINK:
        raise BadMember(f"The archive holds a {entry.kind.value} ({entry.name!r}), which no image needs.")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.link))
    if target.startswith(("/", "../")) or target == "..":
        raise BadMember(f"The link {entry.name!r} leads out of the archive, to {entry.link[:200]!r}.")
    return target


class _Tee:
    """Hashes and counts what is read of a member."""

    def __init__(self, raw: Readable) -> None:
        self._raw, self._hash, self.size = raw, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        data = self._raw.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        return from_hash(self._hash)


def _file(entry: Entry, container: Container, workspace: Workspace, limits: ImageLimits, budget: Budget) -> Member:
    raw = Peekable(container)
    tee = _Tee(raw)
    unpacked = unpacked_layer(tee, raw.peek(4), budget)
    content = raw if unpacked is None else Peekable(unpacked)
    head = content.peek(512)
    with workspace.write() as writer:
        for chunk in chunks(content):
            writer.write(chunk)
            _within(writer.size, limits, entry)
    draft = writer.draft
    digest, size = (draft.digest, draft.size) if unpacked is None else (tee.digest, tee.size)
    return Member(entry.name, digest, size, draft, _begins_tar(head))


def _within(size: int, limits: ImageLimits, entry: Entry) -> None:
    if size > limits.layer_bytes:
        raise TooLarge(f"{entry.name!r} has more than {size_text(limits.layer_bytes)}.")


def _begins_tar(head: bytes) -> bool:
    """Whether content begins as a tar does; an empty layer is zero blocks."""
    return len(head) == len(ZEROS) and (head == ZEROS or has_checksum(head))
