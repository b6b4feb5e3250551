"""Which forms of the cache go to make room: what a better one replaces, then the longest unused. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .forms_values import BEST, QUICK

if TYPE_CHECKING:
    from collections.abc import Iterable

SURPASSED = 7 * 24 * 3600.0
"""Seconds after which a form goes that was sent and that a better one replaces: as long, a node may hold a part of
it. One that was never sent goes at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A form in the cache: its key, bytes, and when it was used last (seconds since 1970), or made."""

    name: str
    size: int
    used_at: float
    was_used: bool


def in_order(entries: Iterable[Entry], now: float) -> list[tuple[Entry, bool]]:
    """The order in which forms go where room is needed, and whether one goes though there is room."""
    every = list(entries)
    names = {entry.name for entry in every}
    replaced = {name for name in names if f"-{QUICK}-" in name and _better(name) in names}

    def stale(entry: Entry) -> bool:
        return entry.name in replaced and (not entry.was_used or now - entry.used_at > SURPASSED)

    order = sorted(every, key=lambda entry: (entry.name not in replaced, entry.used_at, entry.name))
    return [(entry, stale(entry)) for entry in order]


def _better(name: str) -> str:
    return name.replace(f"-{QUICK}-", f"-{BEST}-", 1)
