"""What is pulled of an image that a registry has, what skopeo's words mean, and a layout made of what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .descriptors import Descriptor, Platform
from .digests import digest_of, is_hex
from .errors import BadDocument, NoSuchImage
from .manifests import INDEX_TYPES, MANIFEST_TYPES, Index, Manifest, parse_document
from .store import LAYOUT, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ARCHITECTURES = 16
"""Images of one index that are pulled at most."""

_CAUSES = (
    (("x509", "certificate"), "its certificate is not trusted here. Give this machine the registry's CA."),
    (
        ("http response to https client", "does not look like a tls handshake"),
        "it speaks plain HTTP. Allow that on the page “Registries” if you mean to.",
    ),
    (
        ("unauthorized", "authentication required", "denied", "invalid username/password", "403 (forbidden)"),
        "it refused the log-in, or has no such image for it. Look at the user and password on the page “Registries”.",
    ),
    (
        ("manifest unknown", "name unknown", "not found", "404 (not found)", "repository_not_found", "name_unknown"),
        "it has no such image.",
    ),
    (("toomanyrequests", "too many requests"), "it takes no more requests for now. Wait, or log in there."),
    (("no such host", "server misbehaving"), "there is no such host."),
    (
        ("connection refused", "i/o timeout", "no route to host", "network is unreachable", "timeout", "deadline"),
        "it did not answer.",
    ),
    (("no space left",), "the dashboard's disk is full."),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One image to be pulled: its manifest as the registry has it, for one architecture."""

    body: bytes
    manifest: Manifest
    platform: Platform | None

    @property
    def digest(self) -> str:
        """The manifest's digest at the registry."""
        return digest_of(self.body)


def parts_of(body: bytes) -> Manifest | tuple[Descriptor, ...]:
    """A manifest, or the images for linux that an index lists. Raises ImageError."""
    found = parse_document(body, "The image's manifest")
    if isinstance(found, Manifest):
        return found
    images = [each for each in found.manifests if each.media_type in MANIFEST_TYPES]
    linux = tuple(each for each in images if each.platform is None or each.platform.os in ("linux", ""))
    if any(each.media_type in INDEX_TYPES for each in found.manifests):
        raise BadDocument("The image is an index of indexes, which is not pulled.")
    if not linux:
        names = tuple(str(each.platform) for each in images)
        raise NoSuchImage(f"The registry has no image for linux, but for: {', '.join(names) or 'nothing'}.", names)
    if len(linux) > ARCHITECTURES:
        raise BadDocument(f"The image has {len(linux)} architectures; {ARCHITECTURES} are taken at most.")
    return linux


def size_of(parts: Sequence[Part]) -> int:
    """Bytes that the parts are, as the registry states them; what they share counts once."""
    blobs = {blob.digest: blob.size for part in parts for blob in (part.manifest.config, *part.manifest.layers)}
    return sum(blobs.values())


def cause_of(words: str, host: str) -> str:
    """What skopeo's last words mean, as a sentence about the registry. They come from a stranger: bounded."""
    lower = words.lower()
    for marks, meaning in _CAUSES:
        if any(mark in lower for mark in marks):
            return f"The registry {host}: {meaning}"
    lines = [line for line in words.splitlines() if line.strip()]
    said = lines[-1].partition('msg="')[2].removesuffix('"') or lines[-1] if lines else "nothing"
    return f"The registry {host} did not give the image. skopeo said: {said.strip()[-300:]}"


def write_layout(directory: Path, parts: Sequence[tuple[Part, Path]]) -> None:
    """An OCI layout of images that skopeo wrote, each into a directory of its own (dir:). Files are moved.

    The manifests are those of the registry: skopeo would change the configuration, and with it the image ID, on
    the way to an OCI layout.
    """
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(mode=0o700, parents=True)
    entries = []
    for part, source in parts:
        for path in source.iterdir():
            if is_hex(path.name) and path.is_file() and not path.is_symlink():
                path.replace(blobs / path.name)
        (blobs / part.digest[7:]).write_bytes(part.body)
        named = ((REF_NAME, "image"),)
        entries.append(Descriptor(part.manifest.media_type, part.digest, len(part.body), named, part.platform))
    (directory / "index.json").write_bytes(Index(tuple(entries)).encode())
    (directory / "oci-layout").write_bytes(LAYOUT)
