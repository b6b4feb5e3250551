"""Several parts of a file in one answer: multipart/byteranges (RFC 9110, 14.6)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from .http import Span


@dataclass(frozen=True, slots=True)
class Byteranges:
    """What surrounds the parts: a head before each, an end; ``length`` in bytes of all, the parts included."""

    content_type: str
    heads: tuple[bytes, ...]
    end: bytes
    length: int


def byteranges(spans: Sequence[Span], size: int) -> Byteranges:
    """For these parts of ``size`` bytes, under a boundary that nobody can have put into them."""
    boundary = secrets.token_hex(16)
    heads = tuple(
        f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Range: bytes {span.start}-{span.end - 1}/{size}\r\n\r\n".encode()
        for span in spans
    )
    end = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(span.end - span.start for span in spans) + len(end)
    return Byteranges(f"multipart/byteranges; boundary={boundary}", heads, end, length)


def pieces(file: BinaryIO, span: Span, limit: int) -> Iterator[bytes]:
    """A part of a file, at most ``limit`` bytes at a time.

    Raises EOFError if the file is shorter than it was: the promised length cannot be kept.
    """
    at = file.seek(span.start)
    while at < span.end:
        data = file.read(min(limit, span.end - at))
        if not data:
            raise EOFError("the file is shorter than it was")
        yield data
        at += len(data)
