"""Digests as OCI writes them: ``sha256:`` and 64 lower-case hex digits (image-spec, descriptor.md)."""

from __future__ import annotations

import hashlib
import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")


def is_digest(text: object) -> bool:
    """Whether ``text`` is a SHA-256 digest in its one canonical form."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def is_hex(text: str) -> bool:
    """Whether ``text`` is the hex half of such a digest."""
    return _HEX.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    """The digest of bytes in memory."""
    return from_hash(hashlib.sha256(data))


def from_hash(hashed: hashlib._Hash) -> str:
    """The digest that a running SHA-256 has come to."""
    return f"sha256:{hashed.hexdigest()}"


def hex_of(digest: str) -> str:
    """The hex half. Raises ValueError for anything that is not a digest, so that it is safe in a path."""
    if not is_digest(digest):
        raise ValueError(f"not a SHA-256 digest: {digest!r}")
    return digest[7:]
