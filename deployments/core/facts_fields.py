"""Reads one JSON object's fields as typed, bounded values."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    T = TypeVar("T")

_LARGEST = 2**63
_TEXT = 1000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class FactsError(Exception):
    """The node's facts are not of the form that ``ffs-node`` gives them."""


class Fields:
    """The fields of one object; ``place`` is where it stands, for the message. All methods raise FactsError."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, dict):
            raise FactsError(f"The node's facts have no proper {place or 'form'}.")
        self._values: Mapping[str, object] = values
        self._place = place

    def _bad(self, name: str) -> FactsError:
        return FactsError(f"The node's facts have no proper {self._name(name)}.")

    def _name(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def _maybe(self, name: str, read: Callable[[str], T]) -> T | None:
        return None if self._values.get(name) is None else read(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self._bad(name)
        return value

    def maybe_flag(self, name: str) -> bool:
        """The same; false if it is not there (an older node)."""
        return self._maybe(name, self.flag) or False

    def whole(self, name: str) -> int:
        """A whole number from 0 on, below 2 to the 63rd."""
        value = self._values.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # jq before 1.7 writes large numbers this way
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
            raise self._bad(name)
        return value

    def maybe_whole(self, name: str) -> int | None:
        """The same, or None."""
        return self._maybe(name, self.whole)

    def decimal(self, name: str) -> float:
        """A number from 0 on."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._bad(name)
        if not math.isfinite(value) or not 0 <= value < _LARGEST:
            raise self._bad(name)
        return float(value)

    def maybe_decimal(self, name: str) -> float | None:
        """The same, or None."""
        return self._maybe(name, self.decimal)

    def text(self, name: str) -> str:
        """Any text; cut at 1000 characters, control and direction characters shown as "?"."""
        value = self._values.get(name)
        if not isinstance(value, str):
            raise self._bad(name)
        return _UNPRINTABLE.sub("?", value[:_TEXT])

    def maybe_text(self, name: str) -> str | None:
        """As :meth:`text`, or None if it is missing or null."""
        return self._maybe(name, self.text)

    def match(self, name: str, pattern: str) -> str:
        """A text that matches wholly."""
        value = self._values.get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self._bad(name)
        return value

    def maybe_match(self, name: str, pattern: str) -> str | None:
        """The same, or None."""
        return self._maybe(name, lambda name: self.match(name, pattern))

    def _list(self, name: str, limit: int) -> list[object]:
        value = self._values.get(name)
        if not isinstance(value, list) or len(value) > limit:
            raise self._bad(name)
        return value

    def matches(self, name: str, pattern: str, limit: int) -> tuple[str, ...]:
        """A list of at most ``limit`` texts that match wholly."""
        compiled = re.compile(pattern)
        found = tuple(item for item in self._list(name, limit) if isinstance(item, str) and compiled.fullmatch(item))
        if len(found) != len(self._list(name, limit)):
            raise self._bad(name)
        return found

    def maybe_matches(self, name: str, pattern: str, limit: int) -> tuple[str, ...]:
        """The same; empty if it is not there (an older node)."""
        return self._maybe(name, lambda name: self.matches(name, pattern, limit)) or ()

    def maybe_counts(self, name: str, pattern: str, limit: int) -> dict[str, int]:
        """Whole numbers by a name that matches wholly; empty if it is not there."""
        group = self.optional_group(name)
        if group is None:
            return {}
        names = list(group._values)
        if len(names) > limit or not all(re.fullmatch(pattern, each) for each in names):
            raise self._bad(name)
        return {each: group.whole(each) for each in names}

    def wholes(self, name: str, limit: int) -> tuple[int, ...]:
        """A list of at most ``limit`` whole numbers."""
        return tuple(Fields({name: item}, self._place).whole(name) for item in self._list(name, limit))

    def rows(self, name: str, limit: int) -> tuple[Fields, ...]:
        """A list of at most ``limit`` objects."""
        return tuple(Fields(item, self._name(name)) for item in self._list(name, limit))

    def group(self, name: str) -> Fields:
        """An object."""
        return Fields(self._values.get(name), self._name(name))

    def optional_group(self, name: str) -> Fields | None:
        """An object, or None."""
        return self._maybe(name, self.group)

    def groups(self, name: str, pattern: str, limit: int) -> Iterator[tuple[str, Fields]]:
        """Objects by a name that matches wholly, at most ``limit``."""
        inner = self.group(name)._values
        if len(inner) > limit:
            raise self._bad(name)
        for key, value in inner.items():
            if not re.fullmatch(pattern, key):
                raise self._bad(name)
            yield key, Fields(value, f"{self._name(name)}.{key}")
