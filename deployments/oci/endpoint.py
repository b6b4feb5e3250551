"""What one operation offers to one node: a token, and exactly these manifests and blobs. Pure but for building it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .digests import digest_of
from .errors import BlobDamaged

if TYPE_CHECKING:
    from pathlib import Path

    from .pacing import Pacer
    from .store import Store

OnBytes = Callable[[str, int], None]
"""Called with the blob's digest ("" for all else) and the bytes just handed to the wire. It runs in the connection's
thread; what it raises ends the connection."""


def _nobody_counts(_digest: str, _count: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class OfferedManifest:
    """A manifest's bytes under its digest and, maybe, tags."""

    digest: str
    media_type: str
    body: bytes
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OfferedBlob:
    """A blob's file (any: its name says nothing) and size in bytes.

    ``compressible``: it gains from gzip on the wire (an uncompressed layer).
    """

    digest: str
    path: Path
    size: int
    compressible: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An allow-list. The node's name for the image is ``TOKEN/REPOSITORY``; any other path is 404.

    ``gzip_level`` 1 to 9 codes compressible blobs on the wire when the client accepts it; 0 never does.
    ``idle_seconds`` ends a connection on which nothing moves. ``pace`` caps the bytes per second of all connections.
    """

    token: str
    repository: str
    manifests: tuple[OfferedManifest, ...]
    blobs: tuple[OfferedBlob, ...]
    gzip_level: int = 1
    idle_seconds: float = 120.0
    on_bytes: OnBytes = field(default=_nobody_counts, compare=False)
    pace: Pacer | None = field(default=None, compare=False)

    def admits(self, name: str) -> bool:
        """Whether a repository path from a URL is this endpoint's; takes the same time for every wrong token."""
        return hmac.compare_digest(name.encode(), f"{self.token}/{self.repository}".encode())

    def manifest(self, reference: str) -> OfferedManifest | None:
        """By digest or tag."""
        wanted = (each for each in self.manifests if reference == each.digest or reference in each.tags)
        return next(wanted, None)

    def blob(self, digest: str) -> OfferedBlob | None:
        """By digest."""
        return next((each for each in self.blobs if each.digest == digest), None)


def offer(
    store: Store,
    manifest_digest: str,
    *,
    token: str,
    repository: str,
    tags: frozenset[str] = frozenset(),
    gzip_level: int = 1,
    on_bytes: OnBytes = _nobody_counts,
    pace: Pacer | None = None,
) -> Endpoint:
    """The endpoint for one stored image. Raises BlobMissing or BlobDamaged if the store lacks a part of it.

    ``token`` is 20 characters or more from ``secrets.token_hex``: podman takes lower-case names only. Blobs are
    checked by size here, by digest when they are asked for, and by digest on the node.
    """
    if len(token) < 20 or not token.isascii() or not token.isalnum() or token != token.lower():
        raise ValueError("the token must be 20 or more lower-case letters and digits")
    manifest = store.manifest(manifest_digest)
    blobs = {}
    for descriptor in (*manifest.layers, manifest.config):
        if store.blobs.size(descriptor.digest) != descriptor.size:
            raise BlobDamaged(f"The blob {descriptor.digest} no longer has the size it came with.")
        blobs[descriptor.digest] = OfferedBlob(
            digest=descriptor.digest,
            path=store.blobs.path(descriptor.digest),
            size=descriptor.size,
            compressible=descriptor is not manifest.config and descriptor.media_type.endswith("tar"),
        )
    body = store.document(manifest_digest)
    return Endpoint(
        token=token,
        repository=repository,
        manifests=(OfferedManifest(manifest_digest, manifest.media_type, body, tags),),
        blobs=tuple(blobs.values()),
        gzip_level=gzip_level,
        on_bytes=on_bytes,
        pace=pace,
    )


def offered_document(body: bytes, media_type: str, tags: frozenset[str] = frozenset()) -> OfferedManifest:
    """A manifest written for one node, under the digest of its bytes."""
    return OfferedManifest(digest_of(body), media_type, body, tags)
