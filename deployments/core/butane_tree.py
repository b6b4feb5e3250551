"""The typed tree of a Butane text: each value knows its line, each mapping its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .butane_error import Kind, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .butane_schema import Table


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value."""

    value: str | int | bool
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, with the line where it begins."""

    items: tuple[Leaf | Map, ...]
    line: int
    path: str


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping whose keys were all found in ``table``. A key that was null is absent."""

    table: Table
    entries: Mapping[str, Leaf | Sequence | Map]
    line: int
    path: str

    def text(self, key: str) -> str | None:
        """The text under ``key``, or None."""
        entry = self.entries.get(key)
        return entry.value if isinstance(entry, Leaf) and isinstance(entry.value, str) else None

    def number(self, key: str) -> int | None:
        """The number under ``key``, or None."""
        entry = self.entries.get(key)
        if isinstance(entry, Leaf) and isinstance(entry.value, int) and not isinstance(entry.value, bool):
            return entry.value
        return None

    def is_true(self, key: str) -> bool:
        """Whether the switch ``key`` is there and on."""
        entry = self.entries.get(key)
        return isinstance(entry, Leaf) and entry.value is True

    def map(self, key: str) -> Map | None:
        """The mapping under ``key``, or None."""
        entry = self.entries.get(key)
        return entry if isinstance(entry, Map) else None

    def maps(self, *keys: str) -> tuple[Map, ...]:
        """The mappings in the list found by following ``keys``; empty if anything on the way is absent."""
        return tuple(item for item in self.items(*keys) if isinstance(item, Map))

    def items(self, *keys: str) -> tuple[Leaf | Map, ...]:
        """The items of the list found by following ``keys``; empty if anything on the way is absent."""
        here: Leaf | Sequence | Map | None = self
        for key in keys:
            here = here.entries.get(key) if isinstance(here, Map) else None
        return here.items if isinstance(here, Sequence) else ()

    def at(self, key: str) -> tuple[int, str]:
        """Line and path of ``key`` (the mapping's own line if it is absent)."""
        entry = self.entries.get(key)
        path = f"{self.path}.{key}" if self.path else key
        return (entry.line if entry is not None else self.line), path


@dataclass(slots=True)
class Findings:
    """Collects problems, so that one run names them all."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, where: tuple[int, str], message: str, kind: Kind = Kind.INVALID) -> None:
        """Note a problem at ``where`` (line and path)."""
        line, path = where
        self.problems.append(Problem(line, path, message, kind))
