"""The store: one OCI image layout (image-spec, image-layout.md) that several processes read and write.

::

    DIRECTORY/oci-layout, index.json      so that skopeo and podman can read it as it is (oci:DIRECTORY:sha256-…)
    DIRECTORY/blobs/sha256/HEX            layers (uncompressed tars, named by diffID), configurations, manifests
    DIRECTORY/scratch/                    temporary files and locks

Every way in ends in ``add``: an archive, and whatever else brings a configuration and its layers.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .blobs import GRACE, BlobDirectory, Removed
from .descriptors import Descriptor
from .digests import digest_of
from .documents import DOCUMENT_LIMIT
from .drafts import Draft, Workspace, disk_errors, sync
from .errors import BlobDamaged, BlobMissing, ImageError, NotAStore
from .imageconfig import ImageConfig, ParsedConfig
from .manifests import Index, Manifest, manifest_of, parse_document, references

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image: the digest of its uncompressed tar and that tar's bytes."""

    diff_id: str
    size: int


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """An image as the store holds it.

    ``reference`` is its name in the archive, "" if it had none. ``architecture`` has the variant if there is one
    (``arm/v7``). ``index_digest`` is that of the index it came in, "" if in none: images with the same one are one
    image for several architectures.
    """

    image_id: str
    manifest_digest: str
    reference: str
    architecture: str
    os: str
    layers: tuple[Layer, ...]
    config: ImageConfig
    index_digest: str = ""

    @property
    def size(self) -> int:
        """Bytes of all layers, uncompressed."""
        return sum(layer.size for layer in self.layers)


class Store:
    """An image layout below a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Open it, or make it where there is nothing yet. Raises NotAStore if the directory holds something else."""
        self.directory = directory
        marker = directory / "oci-layout"
        if not marker.exists() and directory.exists() and not _only_ours(directory):
            raise NotAStore(f"{directory} is not empty and holds no image store.")
        self.blobs = BlobDirectory(directory / "blobs", directory / "scratch")
        with disk_errors(), self._index_lock():
            if not (directory / "index.json").exists():
                self._replace("index.json", Index(()).encode())
            if not marker.exists():
                self._replace("oci-layout", LAYOUT)

    def add(self, workspace: Workspace, config: Draft, parsed: ParsedConfig, layers: list[Draft]) -> Manifest:
        """Keep an image whose drafts were verified against its configuration, and name it in the index.

        A killed process leaves blobs without a manifest at worst, which ``gc`` removes.
        """
        data = config.path.read_bytes()
        check = parsed.config.healthcheck
        manifest = manifest_of(
            data, [(layer.digest, layer.size) for layer in layers], docker=check is not None and check.active
        )
        with workspace.write() as writer:
            writer.write(manifest.encode())
        workspace.keep((*layers, config))
        workspace.keep((writer.draft,))
        self._name(
            Descriptor(
                manifest.media_type,
                writer.draft.digest,
                writer.draft.size,
                ((REF_NAME, manifest.config.digest.replace(":", "-")),),
                parsed.platform,
            )
        )
        return manifest

    def manifest(self, digest: str) -> Manifest:
        """A stored manifest, verified. Raises BlobMissing, BlobDamaged, or BadDocument if it is something else."""
        found = parse_document(self.document(digest), f"The stored manifest {digest}")
        if isinstance(found, Index):
            raise BlobDamaged(f"The blob {digest} is an index, not a manifest.")
        return found

    def document(self, digest: str) -> bytes:
        """A small blob (a manifest or configuration), verified. Raises BlobMissing or BlobDamaged."""
        with self.blobs.open(digest) as blob:
            data = blob.read(DOCUMENT_LIMIT + 1)
        if len(data) > DOCUMENT_LIMIT or digest_of(data) != digest:
            raise BlobDamaged(f"The blob {digest} is damaged on this machine's disk, or no document.")
        return data

    def images(self) -> tuple[Descriptor, ...]:
        """The manifests that the index names."""
        return self._index().manifests

    def _index(self) -> Index:
        data = (self.directory / "index.json").read_bytes()
        try:
            found = parse_document(data, "The store's index")
        except ImageError as error:
            raise BlobDamaged(f"The store's index.json is damaged: {error.what}") from error
        if not isinstance(found, Index):
            raise BlobDamaged("The store's index.json is damaged: it is a manifest.")
        return found

    def _name(self, image: Descriptor) -> None:
        with self._index_lock():
            others = tuple(each for each in self._index().manifests if each.digest != image.digest)
            self._replace("index.json", Index((*others, image)).encode())

    def forget_all_but(self, keep: Collection[str]) -> None:
        """Take the manifests that are not in ``keep`` out of the index."""
        with self._index_lock():
            before = self._index().manifests
            after = tuple(each for each in before if each.digest in keep)
            if after != before:
                self._replace("index.json", Index(after).encode())

    def _replace(self, name: str, data: bytes) -> None:
        with disk_errors():
            temporary = self.directory / "scratch" / f"{name}.new"  # one writer: the index lock is held
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.directory / name)
            sync(self.directory)

    @contextmanager
    def _index_lock(self) -> Iterator[None]:
        descriptor = os.open(self.directory / "scratch" / "index.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Keep:
    """What a collection leaves: ``needed`` has to be in the store, or nothing is removed; ``wanted`` may be gone.

    A digest of a manifest keeps what the manifest refers to; any other digest keeps that blob.
    """

    needed: frozenset[str]
    wanted: frozenset[str] = frozenset()


def gc(store: Store, keep: Callable[[], Keep], *, grace: float = GRACE) -> Removed:
    """Remove every blob that is not to be kept.

    ``keep`` is asked while nobody else writes. Blobs younger than ``grace`` seconds stay: an image may be in the
    store and not yet in a row. Raises StoreBusy while something is being taken in, BlobMissing or BlobDamaged if a
    manifest to be kept cannot be read; nothing is removed then.
    """
    with store.blobs.alone():
        told = keep()
        young = store.blobs.younger_than(grace)
        wanted = {digest for digest in told.wanted if store.blobs.has(digest)}
        roots = told.needed | wanted | young
        kept = roots.union(*(_needs(store, digest) for digest in roots))
        store.forget_all_but(kept)
        return store.blobs.remove_all_but(kept)


def _needs(store: Store, digest: str) -> frozenset[str]:
    """What a blob refers to; a layer refers to nothing."""
    if not store.blobs.has(digest):
        raise BlobMissing(f"{digest} is to be kept and is not in the store. Nothing was removed.")
    with store.blobs.open(digest) as blob:
        if blob.read(1) != b"{" or store.blobs.size(digest) > DOCUMENT_LIMIT:
            return frozenset()
    return references(store.document(digest))


def _only_ours(directory: Path) -> bool:
    """Whether nothing is there but what a creation leaves that was interrupted, or goes on beside us."""
    return {entry.name for entry in directory.iterdir()} <= {"blobs", "scratch", "index.json", "oci-layout"}
