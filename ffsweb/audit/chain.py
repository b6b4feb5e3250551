"""The hash chain of the audit log: how an event is hashed, and how the whole chain is checked.

The hash of an event is SHA-256 over canonical JSON (sorted keys, no spaces, ASCII) of everything that the event says
and of the hash before it; the first one follows ``GENESIS``. This module does no I/O.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

GENESIS = "0" * 64
"""What the first event names as the hash before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an event says: everything that its hash covers."""

    sequence: int
    at: dt.datetime
    actor: str
    action: str
    project: str
    target: str
    detail: str
    source: str
    previous: str

    def digest(self) -> str:
        """The hash that belongs to this entry, 64 hex digits."""
        fields = asdict(self)
        fields["at"] = self.at.astimezone(dt.UTC).isoformat(timespec="microseconds")
        return hashlib.sha256(canonical(fields).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry with the hash that the database holds for it, and the project that it is filed under today."""

    entry: Entry
    hash: str
    filed_under: str | None = None


class Damage(enum.Enum):
    """What can be wrong with a row."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold."""

    sequence: int
    damage: Damage
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many events were checked, the hash of the last one and, if the chain is broken, where first."""

    checked: int
    broken: Break | None
    last: str = GENESIS

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return self.broken is None


def canonical(value: Any) -> str:
    """JSON with one form only; ``TypeError`` or ``ValueError`` for what JSON cannot say exactly (NaN, objects)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def check(events: Iterable[Stored], head: tuple[int, str]) -> Verdict:
    """Walk ``events`` in the order of their numbers and compare the end with ``head`` (number, hash).

    Reads everything once, in constant memory; only a broken chain is read on to say what happened to it.
    """
    number, previous, before = 0, GENESIS, ""
    walk = iter(events)
    for stored in walk:
        broken = _misnumbered(stored.entry, number)
        if broken is None and stored.entry.digest() != stored.hash:
            broken = _not_its_hash(stored, number, before, {later.hash for later in walk})
        elif broken is None and stored.entry.previous != previous:
            after = next(walk, None)
            broken = _not_its_place(stored, number, after.entry.previous if after else head[1])
        elif broken is None:
            broken = _misfiled(stored)
        if broken:
            return Verdict(broken.sequence - 1, broken)
        number, previous, before = stored.entry.sequence, stored.hash, previous
    return Verdict(number, _end_fault(number, previous, head), previous)


def _misnumbered(entry: Entry, number: int) -> Break | None:
    expected = number + 1
    if entry.sequence > expected:
        gap = f"Event {expected} was removed: after {number} comes {entry.sequence}."
        return Break(expected, Damage.REMOVED, gap)
    if entry.sequence < expected:
        return Break(entry.sequence, Damage.INSERTED, f"Event {entry.sequence} was inserted: there are two of it.")
    return None


def _not_its_hash(stored: Stored, number: int, before: str, later: set[str]) -> Break:
    """What happened to a row whose content does not match its hash: it may only have got another number."""
    expected, entry = number + 1, stored.entry
    if not _only_renumbered(stored, expected + len(later) + 1):
        text = f"Event {expected} was changed: its content does not match its hash."
        return Break(expected, Damage.CHANGED, text)
    if entry.previous == before:
        return Break(number, Damage.INSERTED, f"Event {number} was inserted: the next one was written in its place.")
    if entry.previous in later:
        text = f"Event {expected} was reordered: what stands there was written later."
        return Break(expected, Damage.REORDERED, text)
    text = f"Event {expected} was removed: what stands there was written as a later one."
    return Break(expected, Damage.REMOVED, text)


def _only_renumbered(stored: Stored, highest: int) -> bool:
    return any(replace(stored.entry, sequence=other).digest() == stored.hash for other in range(1, highest + 1))


def _not_its_place(stored: Stored, number: int, after: str) -> Break:
    """A row that is whole but follows another one: it is genuine if the next one (or the head) knows it."""
    if number and after == stored.hash:
        text = f"Event {number} was changed together with its hash: event {number + 1} was written after another one."
        return Break(number, Damage.CHANGED, text)
    text = f"Event {number + 1} was inserted: it does not follow event {number}."
    return Break(number + 1, Damage.INSERTED, text)


def _misfiled(stored: Stored) -> Break | None:
    entry, filed = stored.entry, stored.filed_under
    if filed is None or filed == entry.project:
        return None
    text = f"Event {entry.sequence} was changed: it is filed under {filed}, not {entry.project or 'nothing'}."
    return Break(entry.sequence, Damage.CHANGED, text)


def _end_fault(number: int, previous: str, head: tuple[int, str]) -> Break | None:
    if head == (number, previous):
        return None
    if head[0] > number:
        text = f"Event {number + 1} was removed: the log ends at {number}, {head[0]} events were written."
        return Break(number + 1, Damage.REMOVED, text)
    if head[0] < number:
        text = f"Event {head[0] + 1} was inserted: only {head[0]} events were written."
        return Break(head[0] + 1, Damage.INSERTED, text)
    return Break(number, Damage.CHANGED, f"Event {number} was changed together with its hash.")
