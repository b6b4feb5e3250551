"""What one node is offered: a manifest written for it, and exactly the blobs that it lacks, each in its form.

The image's identity is its configuration's digest, the same under every manifest. Two manifests are used:

``hybrid``   for podman's pull: a layer that the node holds under its diffID (podman finds it in its store by that and
             asks for nothing), another under the blob in which it travels. The family of media types is that of the
             stored manifest: podman reads a health check only under Docker's.
canonical    for the fetch way: every layer under its diffID, which the node makes from what it fetches. The node
             writes it itself, and asks for blobs alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .endpoint import Endpoint, OfferedBlob, offer, offered_document
from .forms_values import CHUNKED, DELTA
from .manifests import DOCKER_LAYER, DOCKER_MANIFEST, OCI_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .descriptors import Descriptor
    from .endpoint import OnBytes
    from .forms_values import Form
    from .manifests import Manifest
    from .pacing import Pacer
    from .store import Store

OCI_ZSTD = OCI_LAYER + "+zstd"
DOCKER_PACKED = DOCKER_LAYER + ".gzip"
"""Docker's family has no name for zstd; podman looks at the content and takes it under this one."""


def hybrid(manifest: Manifest, forms: Mapping[str, Form]) -> Manifest:
    """The manifest for a node: a layer (by diffID) in ``forms`` under that blob, any other under its diffID."""
    docker = manifest.media_type == DOCKER_MANIFEST
    return replace(
        manifest, layers=tuple(_layer(layer, forms.get(layer.digest), docker) for layer in manifest.layers)
    )


def _layer(layer: Descriptor, form: Form | None, docker: bool) -> Descriptor:  # noqa: FBT001
    if form is None:
        return layer
    if form.kind == DELTA:
        raise ValueError("podman's pull takes no deltas")
    annotations = form.annotations if form.kind == CHUNKED and not docker else ()
    media_type = DOCKER_PACKED if docker else OCI_ZSTD
    return replace(layer, media_type=media_type, digest=form.digest, size=form.size, annotations=annotations)


def offer_pull(
    store: Store,
    manifest_digest: str,
    forms: Mapping[str, Form],
    *,
    token: str,
    repository: str,
    on_bytes: OnBytes,
    pace: Pacer | None = None,
    gzip_level: int = 1,
) -> tuple[Endpoint, str]:
    """The endpoint for podman's pull, and the digest of the manifest to be asked for.

    Layers without a form are offered too, under their diffIDs: podman asks for those that it does not hold (any
    more). Raises BlobMissing, BlobDamaged.
    """
    whole = offer(
        store,
        manifest_digest,
        token=token,
        repository=repository,
        on_bytes=on_bytes,
        pace=pace,
        gzip_level=gzip_level,
    )
    manifest = hybrid(store.manifest(manifest_digest), forms)
    written = offered_document(manifest.encode(), manifest.media_type)
    return replace(whole, manifests=(written,), blobs=_in_forms(whole.blobs, forms)), written.digest


def offer_fetch(
    store: Store,
    manifest_digest: str,
    forms: Mapping[str, Form],
    *,
    token: str,
    repository: str,
    on_bytes: OnBytes,
    pace: Pacer | None = None,
) -> Endpoint:
    """The same for the fetch way: the forms, and layers without one."""
    whole = offer(
        store, manifest_digest, token=token, repository=repository, on_bytes=on_bytes, pace=pace, gzip_level=0
    )
    layers = {layer.digest for layer in store.manifest(manifest_digest).layers}
    blobs = (blob for blob in whole.blobs if blob.digest in layers)
    return replace(whole, manifests=(), blobs=_in_forms(blobs, forms))


def _in_forms(blobs: Iterable[OfferedBlob], forms: Mapping[str, Form]) -> tuple[OfferedBlob, ...]:
    """These, but layers that have a form in that alone."""
    packed = {form.digest: OfferedBlob(form.digest, form.path, form.size) for form in forms.values()}
    return *(blob for blob in blobs if blob.digest not in forms and blob.digest not in packed), *packed.values()
