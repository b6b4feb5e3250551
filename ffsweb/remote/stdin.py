"""What is sent to a command, in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, cast

from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.remote.values import Stdin

CHUNK: Final = 128 * 1024  # bytes; smaller costs more calls, larger no longer helps


def chunks(stdin: Stdin) -> Iterator[bytes]:
    """Non-empty pieces of at most ``CHUNK`` bytes. Raises whatever the source raises; ``TypeError`` for text."""
    if stdin is None:
        return
    if isinstance(stdin, Secret):
        yield from _cut(stdin.reveal())
    elif isinstance(stdin, bytes | bytearray | memoryview):
        yield from _cut(bytes(stdin))
    elif hasattr(stdin, "read"):
        yield from _read(cast("BinaryIO", stdin))
    else:
        for piece in stdin:
            yield from _cut(_checked(piece))


def _read(file: BinaryIO) -> Iterator[bytes]:
    while data := _checked(file.read(CHUNK)):
        yield data


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def _checked(piece: object) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        msg = f"stdin is made of bytes, not {type(piece).__name__}"
        raise TypeError(msg)
    return bytes(piece)
