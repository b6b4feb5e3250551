"""Times and sizes in words. Pure."""

from __future__ import annotations

import datetime as dt

_STEPS = (
    (dt.timedelta(minutes=1), dt.timedelta(seconds=1), "s"),
    (dt.timedelta(hours=1), dt.timedelta(minutes=1), "min"),
    (dt.timedelta(days=2), dt.timedelta(hours=1), "h"),
    (dt.timedelta(days=90), dt.timedelta(days=1), "days"),
    (dt.timedelta(days=730), dt.timedelta(days=30), "months"),
)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def span_in_words(span: dt.timedelta) -> str:
    """A length of time in its largest fitting unit, rounded down: ``45 s``, ``3 min``, ``26 h``, ``12 days``."""
    span = abs(span)
    for below, unit, word in _STEPS:
        if span < below:
            return f"{span // unit} {word}"
    return f"{span // dt.timedelta(days=365)} years"


def ago_in_words(when: dt.datetime, now: dt.datetime) -> str:
    """``3 min ago``, ``in 12 days`` or ``just now`` (less than five seconds either way)."""
    distance = now - when
    if abs(distance) < dt.timedelta(seconds=5):
        return "just now"
    words = span_in_words(distance)
    return f"{words} ago" if distance > dt.timedelta(0) else f"in {words}"


def size_in_words(count: int) -> str:
    """Bytes in decimal units with at most one decimal: ``0 B``, ``950 B``, ``12.3 MB``."""
    size = float(count)
    for unit in _UNITS:
        if abs(size) < 999.95 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
