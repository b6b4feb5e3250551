"""A year of expiries as a picture: columns of half a month, a mark for each certificate. Pure.

Places are percent of the width, so that the words of the picture stay as large on a phone; heights are pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

MONTHS = 13
"""The current month, of which a part is over, and twelve more."""
_COLUMNS = 2 * MONTHS
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HIGHEST = 8
"""Marks of one column; more are told as a number."""
_STEP = 14
_TOP = 14
_LOWEST = 2
_AXIS = 36
_MIDDLE = 15
"""The last day of a month's first half."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """One certificate: when it ends (aware UTC), and how near that is: ``bad``, ``warn`` or ``good``."""

    label: str
    when: datetime
    level: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of the picture with its middle; or, with ``more``, a number of further ones."""

    left: str
    top: int
    level: str
    title: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the axis: its middle, its left edge, and its year where that changes."""

    left: str
    edge: str
    name: str
    year: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is to be drawn. ``expired`` and ``later`` are how many are not in the picture; ``words`` says it all."""

    height: int
    baseline: int
    now: str
    months: tuple[Month, ...]
    marks: tuple[Mark, ...]
    expired: int
    later: int
    words: str


def timeline(expiries: Iterable[Expiry], now: datetime) -> Timeline:
    """The picture of the twelve months after ``now`` (aware UTC)."""
    columns: dict[int, list[Expiry]] = defaultdict(list)
    expired = later = 0
    for expiry in sorted(expiries, key=lambda each: each.when):
        column = _column(expiry.when, now)
        if expiry.when <= now:
            expired += 1
        elif column >= _COLUMNS:
            later += 1
        else:
            columns[column].append(expiry)
    rows = min(max((len(each) for each in columns.values()), default=0), _HIGHEST)
    baseline = _TOP + _STEP * max(rows, _LOWEST)
    return Timeline(
        height=baseline + _AXIS,
        baseline=baseline,
        now=_percent(_column(now, now) + _part(now), _COLUMNS),
        months=tuple(_month(number, now) for number in range(MONTHS)),
        marks=tuple(mark for column, each in sorted(columns.items()) for mark in _stack(column, each, baseline)),
        expired=expired,
        later=later,
        words=_words(columns, expired, later, now),
    )


def _column(when: datetime, now: datetime) -> int:
    months = (when.year - now.year) * 12 + when.month - now.month
    return 2 * months + (when.day > _MIDDLE)


def _part(when: datetime) -> float:
    """How much of its half month is over."""
    return min(((when.day - 1) % _MIDDLE) / _MIDDLE, 1.0) if when.day <= 2 * _MIDDLE else 1.0


def _stack(column: int, expiries: Sequence[Expiry], baseline: int) -> Iterable[Mark]:
    """From the axis upwards; of too many the last place says how many more there are."""
    left = _percent(column + 0.5, _COLUMNS)
    shown = list(expiries) if len(expiries) <= _HIGHEST else list(expiries[: _HIGHEST - 1])
    for row, expiry in enumerate(shown):
        title = f"{expiry.label}, {expiry.when:%Y-%m-%d}"
        yield Mark(left, baseline - _STEP // 2 - _STEP * row, expiry.level, title)
    if more := len(expiries) - len(shown):
        top = baseline - _STEP // 2 - _STEP * (_HIGHEST - 1)
        yield Mark(left, top, "good", f"{more} more", more)


def _month(number: int, now: datetime) -> Month:
    month, year = (now.month - 1 + number) % 12, now.year + (now.month - 1 + number) // 12
    named = str(year) if number == 0 or month == 0 else ""
    return Month(_percent(number + 0.5, MONTHS), _percent(number, MONTHS), _NAMES[month], named)


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / whole:.2f}%"


def _words(columns: dict[int, list[Expiry]], expired: int, later: int, now: datetime) -> str:
    counted: dict[int, int] = defaultdict(int)
    for column, expiries in columns.items():
        counted[column // 2] += len(expiries)
    parts = [f"{_long_month(number, now)}: {count}" for number, count in sorted(counted.items())]
    parts = parts or ["none in the next twelve months"]
    parts += [f"already expired: {expired}"] if expired else []
    parts += [f"later: {later}"] if later else []
    return "; ".join(parts) + "."


def _long_month(number: int, now: datetime) -> str:
    return f"{_NAMES[(now.month - 1 + number) % 12]} {now.year + (now.month - 1 + number) // 12}"
