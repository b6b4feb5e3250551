"""One tar header, decoded. Pure.

Source: POSIX.1-2017 pax(1) "ustar Interchange Format" and "pax Extended Header", and the GNU tar manual, "Basic Tar
Format" (base-256 numbers, types L and K). A reader of our own because tarfile reads an extended header of any
size into memory and keeps every member it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .errors import NotAnArchive, Unsupported

BLOCK = 512
ZEROS = bytes(BLOCK)


class Kind(Enum):
    """What a member is; the words are those of messages."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "named pipe"


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of one block as they stand there; ``flag`` is the raw type flag."""

    name: bytes
    mode: int
    size: int
    flag: bytes
    link: bytes


KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}


def parse_header(block: bytes) -> Header:
    """Decode a block of 512 bytes. Raises NotAnArchive if its checksum or a number is wrong."""
    if not has_checksum(block):
        raise NotAnArchive("This is not a tar archive, or it is damaged: a header has a wrong checksum.")
    name = _text(block[0:100])
    if block[257:263] == b"ustar\0":  # GNU's own format ("ustar  ") uses these bytes for other things
        prefix = _text(block[345:500])
        name = prefix + b"/" + name if prefix else name
    return Header(
        name=name,
        mode=number(block[100:108]) & 0o7777,
        size=number(block[124:136]),
        flag=block[156:157],
        link=_text(block[157:257]),
    )


def has_checksum(block: bytes) -> bool:
    """Whether a block carries the checksum of a tar header (unsigned, or signed as old programs wrote it)."""
    try:
        stated = number(block[148:156])
    except NotAnArchive:
        return False
    body = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(body)
    return stated == unsigned or stated == unsigned - 256 * sum(byte > 127 for byte in body)


def number(field: bytes) -> int:
    """A numeric field: octal, or base-256 with the top bit set. Negative and malformed ones raise NotAnArchive."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise NotAnArchive("The archive is damaged: a header has a negative number.")
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise NotAnArchive("The archive is damaged: a header has a malformed number.")
    return int(digits, 8) if digits else 0


def parse_pax(data: bytes) -> dict[str, bytes]:
    """The records path, linkpath and size of a pax extended header. Raises NotAnArchive, Unsupported."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data) and data[position] != 0:
        length_text, space, _ = data[position : position + 12].partition(b" ")
        if not space or not length_text.isdigit():
            raise NotAnArchive("The archive is damaged: an extended header is malformed.")
        end = position + int(length_text)
        record = data[position + len(length_text) + 1 : end]
        keyword, equals, value = record.partition(b"=")
        if end > len(data) or not equals or not record.endswith(b"\n"):
            raise NotAnArchive("The archive is damaged: an extended header is malformed.")
        if keyword.startswith(b"GNU.sparse."):
            raise Unsupported("The archive has a sparse file. Make it without `--sparse`.")
        if keyword in (b"path", b"linkpath", b"size"):
            records[keyword.decode()] = value[:-1]
        position = end
    return records


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]
