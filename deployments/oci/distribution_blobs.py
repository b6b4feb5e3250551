"""A blob that was pushed becomes a blob of the store: verified, and a compressed layer unpacked. One pass each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .compression import is_gzip, is_zstd, unpacked_layer
from .digests import from_hash
from .documents import DOCUMENT_LIMIT
from .errors import BadLayer, TooLarge, WrongDigest
from .manifests import OCI_LAYER
from .streams import Budget, Peekable, chunks, size_text
from .tarheader import ZEROS, has_checksum

if TYPE_CHECKING:
    from .limits import ImageLimits
    from .store import Store

DOCUMENT = "application/json"
"""The media type of what is no layer: a configuration, as far as anybody can tell before the manifest comes."""


@dataclass(frozen=True, slots=True)
class TakenBlob:
    """A blob as it was pushed (``digest``, ``size``) and as the store has it (``diff_id``, ``content_size``)."""

    digest: str
    diff_id: str
    size: int
    content_size: int
    media_type: str

    @property
    def is_layer(self) -> bool:
        """Whether it can be a layer of an image."""
        return self.media_type != DOCUMENT


def take_blob(source: Path, digest: str, store: Store, limits: ImageLimits) -> TakenBlob:
    """Put the file's content into the store. The file stays.

    Raises WrongDigest before anything is unpacked; BadLayer for what is neither a layer nor a small document;
    ArchiveError for a damaged or bombing compressed stream; DiskFull. Nothing is kept then. Costs two reads of the
    file and one write of what is in it; memory of a few chunks (up to 128 MiB for Zstandard with a long window).
    """
    size = _verified_size(source, digest)
    with source.open("rb", 0) as file, store.blobs.workspace() as workspace:
        raw = Peekable(file)
        media_type = _layer_type(raw.peek(4))
        unpacked = unpacked_layer(raw, raw.peek(4), Budget(limits.layer_bytes))
        content = raw if unpacked is None else Peekable(unpacked)
        if _begins_tar(content.peek(512)):
            media_type = media_type or OCI_LAYER
        elif unpacked is None and size <= DOCUMENT_LIMIT:
            media_type = DOCUMENT
        else:
            raise BadLayer(f"The blob {digest[:19]}… is neither a layer (a tar) nor a configuration.")
        with workspace.write() as writer:
            for chunk in chunks(content):
                writer.write(chunk)
                if writer.size > limits.layer_bytes:
                    raise TooLarge(f"The layer has more than {size_text(limits.layer_bytes)}.")
        workspace.keep((writer.draft,))
    return TakenBlob(digest, writer.draft.digest, size, writer.draft.size, media_type)


def _verified_size(source: Path, digest: str) -> int:
    """Read it once. A wrong digest is told as such, and not as the damage that it may be."""
    hashed, size = hashlib.sha256(), 0
    with source.open("rb", 0) as file:
        for chunk in chunks(file):
            hashed.update(chunk)
            size += len(chunk)
    if from_hash(hashed) != digest:
        raise WrongDigest(f"What was sent has {size} bytes and the digest {from_hash(hashed)}, not {digest}.")
    return size


def _layer_type(head: bytes) -> str:
    """The media type of a compressed layer, "" for what is not compressed."""
    if is_gzip(head):
        return OCI_LAYER + "+gzip"
    return OCI_LAYER + "+zstd" if is_zstd(head) else ""


def _begins_tar(head: bytes) -> bool:
    """Whether content begins as a tar does; an empty layer is zero blocks."""
    return len(head) == len(ZEROS) and (head == ZEROS or has_checksum(head))
