"""Bytes in words, for plans and checks. Pure."""

from __future__ import annotations


def shown_bytes(count: int) -> str:
    """``1.5 GB``, ``20 MB``, ``3.0 kB``: decimal, two digits."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count} bytes"


def exact_bytes(count: int) -> str:
    """With two decimals, so that what was sent can be compared with what was planned: ``8.21 MB``."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} bytes"
