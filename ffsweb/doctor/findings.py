"""What a check finds. Pure, and known to every application that brings checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How a finding is to be taken. ``skipped``: it could not be looked at from here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found, and what to do. Both in plain English, without a secret."""

    state: State
    found: str
    advice: str = ""


def ok(found: str) -> Finding:
    """All is well."""
    return Finding(State.OK, found)


def warn(found: str, advice: str) -> Finding:
    """It works, and will not for ever, or not safely."""
    return Finding(State.WARN, found, advice)


def fail(found: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(State.FAIL, found, advice)


def skipped(found: str) -> Finding:
    """It cannot be looked at from here; ``found`` says why."""
    return Finding(State.SKIPPED, found)


Look = Callable[[], Finding | Iterable[Finding]]
SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """A named look, with the seconds that it may take. ``database``: it is not tried where the database is away."""

    name: str
    look: Look
    database: bool = False
    seconds: float = SECONDS


_checks: list[Check] = []


def register(check: Check) -> None:
    """From now on ``ffs doctor`` does it too, after those before; once, however often it is registered."""
    if check.name not in {known.name for known in _checks}:
        _checks.append(check)


def registered() -> tuple[Check, ...]:
    """All checks of the applications, in the order in which they came."""
    return tuple(_checks)


def some(names: Iterable[str], most: int = 5) -> str:
    """``a, b, c and 4 more``."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
