"""Several contents as one, packed (RFC 8878), maybe against another one that both sides have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .forms_values import SHORTEST, window_log
from .zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 19
"""A parcel is small: it takes milliseconds."""
_P = zstd.CompressionParameter


def packed(parts: Iterable[bytes], dictionary: bytes = b"") -> bytes:
    """One frame with a checksum over the content; ``zstd -d -D FILE`` opens one with a ``dictionary``, another one is
    noticed."""
    content = b"".join(parts)
    options = {
        int(_P.compression_level): LEVEL,
        int(_P.window_log): window_log(len(content) + len(dictionary)),
        int(_P.checksum_flag): 1,
    }
    known = zstd.ZstdDict(dictionary, is_raw=True).as_undigested_dict if len(dictionary) >= SHORTEST else None
    return zstd.compress(content, options=options, zstd_dict=known)
