"""Reads a Butane text into a typed tree, the way Butane's own YAML reader does.

YAML is read without guessing types: a text field keeps the source (``1.10``, ``on`` and ``0644`` stay as written),
a number is read the way Go reads it (``0644`` and ``0o644`` are octal), a switch also knows YAML 1.1's ``yes``
and ``on``. Unknown keys and duplicate keys are errors. Checked against Butane 0.19.
"""

from __future__ import annotations

import re

import yaml

from .butane_error import Kind, NotYaml, Problem
from .butane_schema import ListOf, Scalar, Table
from .butane_tree import Findings, Leaf, Map, Sequence

MAX_CHARACTERS = 4_000_000
MAX_VALUES = 100_000
"""Bounds of one text; aliases count each time they are used, so they cannot multiply beyond."""

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_YES = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}
_NO = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")


def compose(text: str) -> yaml.Node:
    """The document of ``text`` as PyYAML's tree; raises NotYaml."""
    if len(text) > MAX_CHARACTERS:
        raise _not_yaml(1, f"the text is longer than {MAX_CHARACTERS} characters")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise _not_yaml(mark.line + 1 if mark else 1, said or "not YAML") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        raise _not_yaml(before.count("\n") + 1, "a character that YAML does not allow") from None
    except RecursionError:
        raise _not_yaml(1, "nested too deeply") from None
    if node is None:
        raise _not_yaml(1, "the text is empty")
    return node


def _not_yaml(line: int, message: str) -> NotYaml:
    return NotYaml([Problem(line, "", message, Kind.YAML)])


class Reader:
    """Walks PyYAML's tree along the schema; what is wrong goes to ``findings``."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.values = 0

    def table(self, node: yaml.Node, table: Table, path: str) -> Map | None:
        """``node`` read as ``table``; None if it is null or no mapping."""
        where = (_line(node), path)
        if not self._counted(where) or _is_null(node):
            return None
        if not isinstance(node, yaml.MappingNode):
            self.findings.add(where, f"expected a mapping ({table.name})")
            return None
        entries: dict[str, Leaf | Sequence | Map] = {}
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path, seen)
            if key is None:
                continue
            entry = self._entry(value_node, table, key, (_line(key_node), f"{path}.{key}" if path else key))
            if entry is not None:
                entries[key] = entry
        return Map(table, entries, where[0], path)

    def _key(self, node: yaml.Node, path: str, seen: dict[str, int]) -> str | None:
        where = (_line(node), path)
        if not isinstance(node, yaml.ScalarNode):
            self.findings.add(where, "a key has to be a plain word")
            return None
        key = str(node.value)
        if node.tag == "tag:yaml.org,2002:merge":
            self.findings.add(where, "YAML merge keys (<<) are not supported yet", Kind.UNSUPPORTED)
            return None
        if key in seen:
            self.findings.add(where, f'mapping key "{key}" already defined at line {seen[key]}')
            return None
        seen[key] = where[0]
        return key

    def _entry(self, node: yaml.Node, table: Table, key: str, where: tuple[int, str]) -> Leaf | Sequence | Map | None:
        field = table.field(key)
        if field is None:
            self.findings.add(where, f"unused key {key}")
            return None
        path = where[1]
        if field.type is None:
            if _is_null(node):
                return None
            self.findings.add(where, f"{path} is not supported yet", Kind.UNSUPPORTED)
            return Leaf("", where[0])
        if isinstance(field.type, ListOf):
            return self._list(node, field.type.item, path)
        if isinstance(field.type, Table):
            return self.table(node, field.type, path)
        return self._scalar(node, field.type, path)

    def _list(self, node: yaml.Node, item: Scalar | Table, path: str) -> Sequence | None:
        where = (_line(node), path)
        if not self._counted(where) or _is_null(node):
            return None
        if not isinstance(node, yaml.SequenceNode):
            self.findings.add(where, "expected a list")
            return None
        items: list[Leaf | Map] = []
        for number, child in enumerate(node.value):
            here = f"{path}.{number}"
            read = self.table(child, item, here) if isinstance(item, Table) else self._scalar(child, item, here)
            if read is not None:
                items.append(read)
            elif _is_null(child):
                self.findings.add((_line(child), here), "an empty list item")
        return Sequence(tuple(items), where[0], path)

    def _scalar(self, node: yaml.Node, kind: Scalar, path: str) -> Leaf | None:
        where = (_line(node), path)
        if not self._counted(where) or _is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.findings.add(where, f"expected {kind.value}, found a list or a mapping")
            return None
        if node.tag == "tag:yaml.org,2002:binary":
            self.findings.add(where, "the tag !!binary is not supported yet", Kind.UNSUPPORTED)
            return None
        text = str(node.value)
        if _SURROGATE.search(text):
            self.findings.add(where, "an escape for half a character (a surrogate)")
            return None
        if kind is Scalar.TEXT:
            return Leaf(text, where[0])
        value = _number(text, plain=not node.style) if kind is Scalar.NUMBER else _switch(text, plain=not node.style)
        if value is None:
            self.findings.add(where, f"expected {kind.value}, found {_shown(text)}")
            return None
        return Leaf(value, where[0])

    def _counted(self, where: tuple[int, str]) -> bool:
        self.values += 1
        if self.values == MAX_VALUES:
            self.findings.add(where, f"more than {MAX_VALUES} values", Kind.YAML)
        return self.values < MAX_VALUES


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULL


def _number(text: str, *, plain: bool) -> int | None:
    """Go's ``ParseInt(text, 0, 64)``: 0 and 0o are octal, 0x hexadecimal, 0b binary, ``_`` ignored."""
    bare = text.replace("_", "")
    if not plain or len(bare) > 24 or not _NUMBER.fullmatch(bare):
        return None
    digits = bare.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    value = int(digits, 8) if octal else int(digits, 0)
    value = -value if bare.startswith("-") else value
    return value if -(2**63) <= value < 2**63 else None


def _switch(text: str, *, plain: bool) -> bool | None:
    if text in _YES or (plain and text in _TRUE):
        return True
    if text in _NO or (plain and text in _FALSE):
        return False
    return None


def _shown(text: str) -> str:
    return f"`{text}`" if len(text) <= 40 and text.isprintable() else "something else"
