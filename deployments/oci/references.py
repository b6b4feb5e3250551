"""References to images in registries: ``HOST[:PORT]/PATH[:TAG][@sha256:…]``. Pure.

Source: the grammar of github.com/distribution/reference, with the host always named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOST = re.compile(r"(?:localhost|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?)(?::[0-9]{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LIMIT = 255


class BadReference(ValueError):
    """The text is for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name: by ``digest`` if there is one, else by ``tag``."""

    host: str
    path: str
    tag: str
    digest: str

    def __str__(self) -> str:
        ending = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.host}/{self.path}{ending}"

    def at(self, digest: str) -> str:
        """The same repository, by digest."""
        return f"{self.host}/{self.path}@{digest}"


def parse_reference(text: str) -> Reference:
    """Raises BadReference. No tag and no digest means ``latest``."""
    text = text.strip().removeprefix("docker://")
    if len(text) > LIMIT:
        raise BadReference(f"A reference has at most {LIMIT} characters.")
    host, slash, rest = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise BadReference("Name the registry as well: registry.example.com/team/app:1.0.")
    if not _HOST.fullmatch(host):
        raise BadReference(f"{host!r} is no host name.")
    rest, at, digest = rest.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise BadReference("What follows the @ is no SHA-256 digest.")
    path, colon, tag = rest.partition(":")
    if not _PATH.fullmatch(path):
        raise BadReference(f"{path!r} is no name of an image: lower-case letters, digits and . _ - / are.")
    if colon and not _TAG.fullmatch(tag):
        raise BadReference(f"{tag!r} is no tag.")
    return Reference(host.lower(), path, tag or "latest", digest)
