"""References to blobs, and the platforms of images (OCI image-spec, descriptor.md and image-index.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .digests import is_digest
from .errors import BadLayer

if TYPE_CHECKING:
    from .documents import Json


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an image runs; ``variant`` is such as ``v8``, mostly empty."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def machine(self) -> str:
        """The architecture and its variant: ``amd64``, ``arm/v7``."""
        return "/".join(filter(None, (self.architecture, self.variant)))

    def fits(self, architecture: str) -> bool:
        """Whether ``architecture`` (``arm64`` or ``arm64/v8``) means this platform."""
        return architecture in (self.architecture, f"{self.architecture}/{self.variant}")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to a blob: its type, digest and size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: tuple[tuple[str, str], ...] = ()
    platform: Platform | None = None

    def annotation(self, name: str) -> str:
        """An annotation's value, "" if it has none."""
        return dict(self.annotations).get(name, "")

    def as_json(self) -> dict[str, object]:
        """The descriptor as it stands in a document."""
        value: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.platform is not None:
            platform = {"os": self.platform.os, "architecture": self.platform.architecture}
            value["platform"] = platform | ({"variant": self.platform.variant} if self.platform.variant else {})
        return value


def parse_descriptor(node: Json) -> Descriptor:
    """A descriptor in a document. Raises BadDocument, or BadLayer if its content is elsewhere."""
    node.refuse_lookalikes()
    digest = node.get("digest").text()
    if not is_digest(digest):
        node.fail(f"has a digest that is not SHA-256 ({digest[:100]!r})")
    if node.get("urls").items():
        raise BadLayer(f"{node.where} refers to content elsewhere (urls), which is never fetched.")
    platform = node.get("platform")
    return Descriptor(
        media_type=node.get("mediaType").text(),
        digest=digest,
        size=node.get("size").count(),
        annotations=node.get("annotations").text_map(),
        platform=None if platform.absent else _platform(platform),
    )


def _platform(node: Json) -> Platform:
    return Platform(node.get("os").text(""), node.get("architecture").text(""), node.get("variant").text(""))
