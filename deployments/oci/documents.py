"""JSON from strangers: bounded in bytes, depth and elements, no duplicate keys, read by typed accessors. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

from .errors import BadDocument

DOCUMENT_LIMIT = 4 * 1024 * 1024
"""Bytes of one manifest, index or configuration (the limit that registries and podman set)."""

DEPTH_LIMIT = 32
ELEMENT_LIMIT = 400_000


def parse_json(data: bytes, what: str) -> Json:
    """The document as a Json. ``what`` names it in messages. Raises BadDocument."""
    if len(data) > DOCUMENT_LIMIT:
        raise BadDocument(f"{what} has more than 4 MiB of JSON.")
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > ELEMENT_LIMIT:
        raise BadDocument(f"{what} has more than {ELEMENT_LIMIT} elements.")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError as error:
        raise BadDocument(f"{what} is nested too deeply.") from error
    except ValueError as error:  # not UTF-8, not JSON, an absurd number, a duplicate key
        raise BadDocument(f"{what} is not valid JSON ({error}).") from error
    if _deeper_than(value, DEPTH_LIMIT):
        raise BadDocument(f"{what} is nested too deeply.")
    return Json(value, what)


def canonical_json(value: object) -> bytes:
    """The one encoding of a document that we write ourselves: sorted keys, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Json:
    """A value in a document, with its path for messages. Accessors raise BadDocument for another type."""

    value: object
    where: str

    def get(self, key: str) -> Json:
        """A member of an object; absent and null are one: ``.absent``."""
        return Json(self._object().get(key), f"{self.where}, {key}")

    @property
    def absent(self) -> bool:
        """Whether there is nothing (or null)."""
        return self.value is None

    def text(self, default: str | None = None) -> str:
        """A string; ``default`` if it is absent and a default is given."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str):
            self.fail("must be a string")
        return self.value

    def count(self, default: int | None = None) -> int:
        """A whole number from 0 to 2⁶³-1."""
        if self.value is None and default is not None:
            return default
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value < 2**63:
            self.fail("must be a whole number")
        return self.value

    def items(self) -> list[Json]:
        """The elements of a list; none if it is absent."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.fail("must be a list")
        return [Json(element, f"{self.where}[{at}]") for at, element in enumerate(self.value)]

    def texts(self) -> tuple[str, ...]:
        """A list of strings; none if it is absent."""
        return tuple(item.text() for item in self.items())

    def text_map(self) -> tuple[tuple[str, str], ...]:
        """An object whose values are strings, sorted by key; empty if it is absent. Null values count as ""."""
        return tuple(sorted((key, self.get(key).text("")) for key in self.keys()))

    def keys(self) -> list[str]:
        """The keys of an object; none if it is absent."""
        return [] if self.value is None else list(self._object())

    def refuse_lookalikes(self) -> None:
        """Refuse keys that differ by case only: Go programs (podman) take them as one, we would not."""
        keys = self.keys()
        if len({key.casefold() for key in keys}) != len(keys):
            self.fail("has keys that differ by case only")

    def fail(self, reason: str) -> NoReturn:
        """Raise BadDocument about this value."""
        raise BadDocument(f"{self.where} {reason}.")

    def _object(self) -> dict[str, object]:
        if not isinstance(self.value, dict):
            self.fail("must be an object")
        return self.value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _deeper_than(value: object, limit: int) -> bool:
    """Whether lists and objects are nested deeper than ``limit``; without recursion."""
    level = [value]
    for _ in range(limit):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return False
    return True
