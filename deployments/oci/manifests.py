"""Descriptors, manifests and indexes (OCI image-spec 1.1; Docker image manifest V2, schema 2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .descriptors import Descriptor, parse_descriptor
from .digests import digest_of
from .documents import Json, canonical_json, parse_json
from .errors import BadDocument, BadLayer, NotAnImage

if TYPE_CHECKING:
    from collections.abc import Iterable

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"

MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYER_TYPES = frozenset(
    {
        OCI_LAYER,
        OCI_LAYER + "+gzip",
        OCI_LAYER + "+zstd",
        DOCKER_LAYER,
        DOCKER_LAYER + ".gzip",
        DOCKER_LAYER + ".zstd",
    }
)

LAYER_LIMIT = 127
"""Layers of one image: more cannot be mounted as an overlay by every kernel, and podman refuses them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image: its configuration and its layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The digest of its canonical bytes."""
        return digest_of(self.encode())

    def encode(self) -> bytes:
        """Its canonical bytes; equal manifests have equal bytes."""
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "config": self.config.as_json(),
                "layers": [layer.as_json() for layer in self.layers],
            }
        )


@dataclass(frozen=True, slots=True)
class Index:
    """A list of manifests, or of further indexes."""

    manifests: tuple[Descriptor, ...]

    def encode(self) -> bytes:
        """Its canonical bytes."""
        manifests = [each.as_json() for each in self.manifests]
        return canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def manifest_of(config: bytes, layers: Iterable[tuple[str, int]], *, docker: bool) -> Manifest:
    """The manifest under which the store keeps an image: every layer uncompressed, named by its diffID.

    ``layers`` are (diffID, bytes). ``docker`` chooses Docker's media types: podman reads a health check only from an
    image that has them. The configuration, and with it the image ID, is the same in both.
    """
    layer_type = DOCKER_LAYER if docker else OCI_LAYER
    config_type = DOCKER_CONFIG if docker else OCI_CONFIG
    return Manifest(
        media_type=DOCKER_MANIFEST if docker else OCI_MANIFEST,
        config=Descriptor(config_type, digest_of(config), len(config)),
        layers=tuple(Descriptor(layer_type, diff_id, size) for diff_id, size in layers),
    )


def parse_document(data: bytes, what: str) -> Manifest | Index:
    """A manifest or an index, whichever it is. Raises BadDocument, BadLayer or NotAnImage."""
    node = parse_json(data, what)
    node.refuse_lookalikes()
    if node.get("schemaVersion").count(0) != 2:
        node.fail("is not of schema version 2")
    media_type = node.get("mediaType").text("")
    has_manifests, has_layers = not node.get("manifests").absent, not node.get("layers").absent
    if has_manifests == has_layers:  # both: a document that two readers could take for different things
        node.fail("is neither a manifest nor an index")
    if has_manifests:
        if media_type not in INDEX_TYPES | {""}:
            node.fail(f"is an index under the type {media_type!r}")
        return Index(tuple(parse_descriptor(item) for item in node.get("manifests").items()))
    return _manifest(node, media_type)


def _manifest(node: Json, media_type: str) -> Manifest:
    if media_type not in MANIFEST_TYPES | {""}:
        node.fail(f"is a manifest under the type {media_type!r}")
    config = parse_descriptor(node.get("config"))
    if config.media_type not in CONFIG_TYPES:
        raise NotAnImage(f"{node.where} describes something else than an image ({config.media_type!r}).")
    layers = node.get("layers").items()
    if len(layers) > LAYER_LIMIT:
        raise BadLayer(f"The image has {len(layers)} layers; {LAYER_LIMIT} is the most that can be run.")
    return Manifest(media_type or OCI_MANIFEST, config, tuple(_layer(layer) for layer in layers))


def _layer(node: Json) -> Descriptor:
    layer = parse_descriptor(node)
    if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
        raise BadLayer(f"{node.where} is a foreign layer, whose content is not in the archive.")
    if "encrypted" in layer.media_type:
        raise BadLayer(f"{node.where} is encrypted.")
    if layer.media_type not in LAYER_TYPES:
        raise BadLayer(f"{node.where} has the type {layer.media_type!r}, which is not that of a layer.")
    return layer


def references(data: bytes) -> frozenset[str]:
    """Every digest that a stored document refers to; empty if it is no manifest and no index."""
    try:
        found = parse_document(data, "A stored manifest")
    except (BadDocument, BadLayer, NotAnImage):
        return frozenset()
    if isinstance(found, Index):
        return frozenset(each.digest for each in found.manifests)
    return frozenset({found.config.digest, *(layer.digest for layer in found.layers)})
