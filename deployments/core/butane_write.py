"""Writes Butane: YAML in which every text is quoted or a literal block, so that no value can become anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

_BLOCK_SAFE = re.compile(r"[^\s\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_BLOCK_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_KEY = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True, slots=True)
class Octal:
    """A file mode, written the way modes are read."""

    mode: int


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping, its keys in order. ``comment`` is written above it, one line of comment for each of its lines."""

    entries: tuple[tuple[str, Value], ...]
    comment: str = ""


Scalar: TypeAlias = str | int | bool | Octal
Value: TypeAlias = Scalar | Block | list[Block] | list[str]


@dataclass(slots=True)
class _Writer:
    lines: list[str] = field(default_factory=list)

    def block(self, block: Block, indent: int) -> None:
        for key, value in block.entries:
            if not _KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no key of Butane")
            self.entry(key, value, indent)

    def entry(self, key: str, value: Value, indent: int) -> None:
        lead = " " * indent
        if isinstance(value, Block):
            self.comment(value.comment, indent)
            self.lines.append(f"{lead}{key}:")
            self.block(value, indent + 2)
        elif isinstance(value, list):
            self.lines.append(f"{lead}{key}:")
            for item in value:
                self.item(item, indent + 2)
        elif isinstance(value, str) and _as_block(value):
            self.lines.append(f"{lead}{key}: |")
            self.lines.extend(f"{lead}  {line}" if line else "" for line in value[:-1].split("\n"))
        else:
            self.lines.append(f"{lead}{key}: {_scalar(value)}")

    def item(self, item: Block | str, indent: int) -> None:
        if isinstance(item, str):
            self.lines.append(f"{' ' * indent}- {quoted(item)}")
            return
        self.comment(item.comment, indent)
        first = len(self.lines)
        self.block(item, indent + 2)
        line = self.lines[first]
        self.lines[first] = f"{line[:indent]}- {line[indent + 2 :]}"

    def comment(self, text: str, indent: int) -> None:
        for line in text.splitlines():
            self.lines.append(f"{' ' * indent}# {line}".rstrip())


def write(block: Block) -> str:
    """The YAML of ``block``. Raises ValueError for text that is not Unicode (lone surrogates)."""
    writer = _Writer()
    writer.comment(block.comment, 0)
    writer.block(block, 0)
    return "\n".join(writer.lines) + "\n"


def quoted(text: str) -> str:
    """``text`` as a double-quoted YAML scalar on one line."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text holds half a character (a surrogate)")
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if " " <= character <= "~" or (code >= 0xA1 and not _BLOCK_UNSAFE.match(character)):
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _as_block(text: str) -> bool:
    """Whether a literal block gives back exactly ``text``: whole lines, the first not beginning with a space."""
    if not text.endswith("\n") or text.endswith("\n\n") or text.count("\n") < 2:
        return False
    return _BLOCK_SAFE.match(text) is not None and not _BLOCK_UNSAFE.search(text)


def _scalar(value: Scalar) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Octal):
        return f"0{value.mode:03o}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
