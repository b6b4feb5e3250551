"""Indexes that are pushed: one image for several architectures, each of which was pushed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.models import Image
from deployments.models.image_store import store
from deployments.oci.descriptors import Descriptor, Platform
from deployments.oci.digests import digest_of
from deployments.oci.distribution import Code, Refusal
from deployments.oci.imageconfig import ImageConfig
from deployments.oci.manifests import Index
from deployments.oci.store import ImportedImage, Layer

if TYPE_CHECKING:
    from ffsweb.accounts.models import Project

INDEX_LIMIT = 200
"""Entries of one index."""


def images_of(project: Project, index: Index) -> list[Image]:
    """The images that an index lists, each once, without attestations. Raises Refusal. A query or two each."""
    if len(index.manifests) > INDEX_LIMIT:
        raise Refusal(Code.MANIFEST_INVALID, f"The index lists more than {INDEX_LIMIT} images.")
    rows = {row.pk: row for entry in index.manifests if (row := _image_of(project, entry)) is not None}
    if not rows:
        raise Refusal(Code.MANIFEST_INVALID, "The index lists no image.")
    return list(rows.values())


def index_of(rows: list[Image], *, reference: str) -> tuple[bytes, tuple[ImportedImage, ...]]:
    """The index that is kept, of the images' canonical manifests; and the images as they are recorded with it."""
    kept = Index(tuple(_descriptor(row) for row in rows)).encode()
    return kept, tuple(_imported(row, reference or row.reference, digest_of(kept)) for row in rows)


def _image_of(project: Project, entry: Descriptor) -> Image | None:
    pushed = project.pushed_manifests.filter(digest=entry.digest).select_related("image").first()
    if pushed is not None:
        if pushed.document:
            raise Refusal(Code.MANIFEST_INVALID, "An index within an index is not taken.")
        return pushed.image
    image = Image.objects.filter(project=project, manifest_digest=entry.digest).first()
    if image is None:
        raise Refusal(
            Code.MANIFEST_BLOB_UNKNOWN,
            f"The index names {entry.digest}, which was not pushed. Push it first, then the index.",
        )
    return image


def _descriptor(row: Image) -> Descriptor:
    architecture, _, variant = row.architecture.partition("/")
    return Descriptor(
        store().manifest(row.manifest_digest).media_type,
        row.manifest_digest,
        store().blobs.size(row.manifest_digest),
        platform=Platform("linux", architecture, variant),
    )


def _imported(row: Image, reference: str, index_digest: str) -> ImportedImage:
    return ImportedImage(
        image_id=row.image_id,
        manifest_digest=row.manifest_digest,
        reference=reference,
        architecture=row.architecture,
        os="linux",
        layers=tuple(Layer(layer["diff_id"], layer["size"]) for layer in row.layers),
        config=ImageConfig.from_json(row.config),
        index_digest=index_digest,
    )
