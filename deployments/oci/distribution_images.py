"""A pushed manifest and the blobs that came before it become an image of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .descriptors import Descriptor
from .distribution import Code, Refusal
from .documents import Json, parse_json
from .drafts import Draft
from .errors import ImageError
from .imageconfig import ParsedConfig, parse_config
from .manifests import INDEX_TYPES, MANIFEST_TYPES, OCI_CONFIG, Index, Manifest, parse_document
from .store import ImportedImage, Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .distribution_blobs import TakenBlob
    from .store import Store

ATTESTATION_LAYER = "application/vnd.in-toto+json"
"""What the layers of an attestation are: builders push it beside an image, and it is no image."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A manifest that says something about an image: acknowledged, and not kept."""


def read_pushed(body: bytes, content_type: str) -> Manifest | Index | Attestation:
    """What somebody pushes as a manifest. Raises Refusal."""
    if content_type not in MANIFEST_TYPES | INDEX_TYPES:
        raise Refusal(
            Code.MANIFEST_INVALID, f"A manifest of the type {content_type[:100]!r} is not taken: push an image."
        )
    try:
        node = parse_json(body, "The manifest")
        if content_type in MANIFEST_TYPES and _is_attestation(node):
            return Attestation()
        found = parse_document(body, "The manifest")
    except ImageError as error:
        raise Refusal(Code.MANIFEST_INVALID, error.what) from error
    stated = node.get("mediaType").text("")
    if (stated or content_type) != content_type or isinstance(found, Index) != (content_type in INDEX_TYPES):
        raise Refusal(Code.MANIFEST_INVALID, f"The manifest is no {content_type}, as the request says.")
    return found


def assemble(
    manifest: Manifest, blobs: Mapping[str, TakenBlob], store: Store, *, reference: str, index_digest: str = ""
) -> ImportedImage:
    """Put the image together in the store, under its canonical manifest. Raises Refusal, or ImageError (the disk).

    ``blobs``: what the project has of the manifest's blobs, by their pushed digests. Costs no read of a layer: each
    was verified when it came.
    """
    with store.blobs.workspace() as workspace:  # from here on nothing is collected
        there = {digest: blob for digest, blob in blobs.items() if store.blobs.has(blob.diff_id)}
        config = _one(manifest.config, there, "the configuration")
        layers = [_one(layer, there, f"layer {at}") for at, layer in enumerate(manifest.layers, 1)]
        try:
            data = store.document(config.diff_id)
            parsed = parse_config(data)
        except ImageError as error:
            raise Refusal(Code.MANIFEST_INVALID, error.what) from error
        _check_layers(parsed, layers)
        with workspace.write() as writer:
            writer.write(data)
        kept = store.add(workspace, writer.draft, parsed, [_in_place(store, layer) for layer in layers])
    return ImportedImage(
        image_id=kept.config.digest,
        manifest_digest=kept.digest,
        reference=reference,
        architecture=parsed.platform.machine,
        os=parsed.platform.os,
        layers=tuple(Layer(layer.diff_id, layer.content_size) for layer in layers),
        config=parsed.config,
        index_digest=index_digest,
    )


def _one(descriptor: Descriptor, blobs: Mapping[str, TakenBlob], what: str) -> TakenBlob:
    blob = blobs.get(descriptor.digest)
    if blob is None:
        raise Refusal(
            Code.MANIFEST_BLOB_UNKNOWN,
            f"{descriptor.digest} ({what}) was not pushed, or is gone by now. Push it again, then the manifest.",
        )
    if blob.size != descriptor.size:
        raise Refusal(
            Code.SIZE_INVALID, f"The manifest states {descriptor.size} bytes for {what}; it has {blob.size}."
        )
    return blob


def _check_layers(parsed: ParsedConfig, layers: list[TakenBlob]) -> None:
    if parsed.platform.os != "linux":
        raise Refusal(Code.MANIFEST_INVALID, f"The image is for {parsed.platform}; images for linux are taken.")
    if len(layers) != len(parsed.diff_ids):
        raise Refusal(
            Code.MANIFEST_INVALID,
            f"The manifest lists {len(layers)} layers, the image's configuration {len(parsed.diff_ids)}.",
        )
    for at, (layer, diff_id) in enumerate(zip(layers, parsed.diff_ids, strict=True), 1):
        if not layer.is_layer:
            raise Refusal(Code.MANIFEST_INVALID, f"Layer {at} is not a tar archive.")
        if layer.diff_id != diff_id:
            raise Refusal(
                Code.MANIFEST_INVALID, f"Layer {at} has the diffID {layer.diff_id}; the configuration says {diff_id}."
            )


def _in_place(store: Store, layer: TakenBlob) -> Draft:
    """A layer that the store has: putting it in its place again makes it young and changes nothing else."""
    return Draft(store.blobs.path(layer.diff_id), layer.diff_id, layer.content_size)


def _is_attestation(node: Json) -> bool:
    layers = node.get("layers").items()
    types = {layer.get("mediaType").text("") for layer in layers}
    return types == {ATTESTATION_LAYER} and node.get("config").get("mediaType").text("") == OCI_CONFIG
