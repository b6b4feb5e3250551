"""How much an uploaded image may be."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bytes of the upload, bytes that unpacking it may bring forth in all, bytes of one member unpacked, members.

    Documents (4 MiB) and layers (127) have fixed limits: what is beyond them runs nowhere.
    """

    archive_bytes: int = 20 * GIB
    expanded_bytes: int = 40 * GIB
    layer_bytes: int = 20 * GIB
    members: int = 10_000


DEFAULT_LIMITS = ImageLimits()
