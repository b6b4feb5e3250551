"""Takes PEM text apart into its blocks. Pure, and linear in the length of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .errors import Damaged

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,60})-----\Z")
_END = re.compile(rb"-----END ([A-Z0-9][A-Z0-9 ]{0,60})-----\Z")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: ``kind`` as ``CERTIFICATE``, ``text`` with its BEGIN and END lines."""

    kind: str
    text: bytes = field(repr=False)

    @property
    def is_key(self) -> bool:
        """Whether a private key is in it."""
        return self.kind.endswith("PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class Blocks:
    """What a text consists of; ``stray`` is whether there was other text outside of the blocks."""

    blocks: tuple[Block, ...]
    stray: bool

    def of(self, *kinds: str) -> list[Block]:
        """The blocks of these kinds, in their order."""
        return [block for block in self.blocks if block.kind in kinds]

    @property
    def keys(self) -> list[Block]:
        """The private keys."""
        return [block for block in self.blocks if block.is_key]


def looks_like_pem(data: bytes) -> bool:
    """Whether a block begins in it."""
    return b"-----BEGIN " in data


def split(data: bytes) -> Blocks:
    """The blocks of a PEM text; raises Damaged for a block without an end and for bytes that are no text.

    Words between blocks (as ``openssl pkcs12`` writes them) are passed over, and told by ``stray``.
    """
    blocks: list[Block] = []
    stray = False
    kind = b""
    lines: list[bytes] = []
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for number, raw in enumerate(text.split(b"\n"), start=1):
        line = raw.strip()
        begin, end = _BEGIN.match(line), _END.match(line)
        if kind:
            if begin:
                raise Damaged(_no_end(kind))
            lines.append(line)
            if end:
                blocks.append(_whole(kind, end[1], lines, number))
                kind = b""
        elif begin:
            kind, lines = begin[1], [line]
        else:
            stray = _is_stray(line, number, ends=bool(end)) or stray
    if kind:
        raise Damaged(_no_end(kind))
    return Blocks(tuple(blocks), stray)


def _whole(kind: bytes, ends: bytes, lines: list[bytes], number: int) -> Block:
    if ends != kind:
        raise Damaged(_ends_nothing(number))
    return Block(kind.decode("ascii"), b"\n".join(lines) + b"\n")


def _is_stray(line: bytes, number: int, *, ends: bool) -> bool:
    """Whether a line outside of the blocks has words in it."""
    if ends:
        raise Damaged(_ends_nothing(number))
    _refuse_bytes(line, number)
    return bool(line)


def _ends_nothing(number: int) -> str:
    return f"Line {number} ends a block that did not begin. Choose the whole file."


def _no_end(kind: bytes) -> str:
    return f"A block that begins with -----BEGIN {kind.decode('ascii')}----- has no end: the text was cut off."


def _refuse_bytes(line: bytes, number: int) -> None:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not text.replace("\t", " ").isprintable():
        raise Damaged(f"Line {number} is not text. A PEM file has nothing else: the file is damaged.")
