"""Times and sizes in words. Pure."""

from __future__ import annotations

import datetime as dt
import re

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


_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(k|M|G)?(B|bit)?(?:/s|ps)?", re.IGNORECASE)
_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def rate_from_words(text: str) -> int:
    """Bytes per second of ``5 MB/s``, ``800kB``, ``40 Mbit/s`` or ``1.5M``; decimal units, bytes if none is named.

    Raises ValueError for anything else, and for less than 1 kB/s: that is a mistake, and nothing would ever end.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError("write a rate such as 5 MB/s, 800 kB/s or 40 Mbit/s")
    value = float(found[1]) * _PREFIXES[(found[2] or "").lower()]
    bytes_per_second = int(value / 8 if (found[3] or "").lower() == "bit" else value)
    if not 1000 <= bytes_per_second < 10**12:
        raise ValueError("write a rate of at least 1 kB/s, and below 1000 GB/s")
    return bytes_per_second


def rate_in_words(bytes_per_second: int) -> str:
    """What ``rate_from_words`` reads as the same: ``5 MB/s``, ``12.5 MB/s``, ``1234567 B/s``."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if bytes_per_second >= size and bytes_per_second * 1000 % size == 0:
            return f"{bytes_per_second / size:.3f}".rstrip("0").rstrip(".") + f" {unit}/s"
    return f"{bytes_per_second} B/s"


def size_in_words(count: int) -> str:
    """Bytes in decimal units with at most one decimal: ``0 B``, ``950 B``, ``12.3 MB``."""
    size = float(count)
    for unit in _UNITS:
        if abs(size) < 999.95 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
