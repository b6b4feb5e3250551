"""When people are told that a certificate nears its end, and when not. Pure.

For one certificate and one rung there is never a second word. After a time in which nobody looked only the worst rung
that was reached is told. Who uploaded a certificate has to act, so the rungs begin early; a renewal that works by
itself is silent, and is told only when it does not work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """What an alert is about; each certificate has at most one open alert of each."""

    EXPIRY = "expiry"
    MISMATCH = "mismatch"
    STALE = "stale"


class Rung(IntEnum):
    """How near the end is, the larger the worse. Stored as numbers: never renumber them."""

    NONE = 0
    RENEWAL = 10  # overdue, or failed twice; of a flag: it holds
    DAYS_30 = 20
    DAYS_14 = 30
    DAYS_7 = 40
    DAYS_3 = 50
    DAYS_1 = 60
    EXPIRED = 100


DAYS = {Rung.DAYS_30: 30, Rung.DAYS_14: 14, Rung.DAYS_7: 7, Rung.DAYS_3: 3, Rung.DAYS_1: 1}
BEGINS = timedelta(days=max(DAYS.values()))
"""Before this much is left, nothing is told of a certificate that somebody uploaded."""
_LATE = frozenset({Rung.DAYS_7, Rung.DAYS_3, Rung.DAYS_1})
_FAILURES = 2
_GRACE = timedelta(days=1)
LONGEST_SNOOZE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of a certificate now. Times are aware UTC.

    ``gone``: it was replaced, and nothing uses it. ``automatic``: it is renewed by a machine, which was to do so at
    ``renewal_due`` (None: not known) and failed ``failures`` times since its last success.
    """

    not_before: datetime
    not_after: datetime
    gone: bool = False
    automatic: bool = False
    renewal_due: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What was told before. ``worst`` stays when it is over; ``is_open``: told, and not yet said to be over.

    ``acknowledged``: somebody looks after it. ``snoozed_until``: somebody wants to hear of it later.
    """

    worst: Rung = Rung.NONE
    is_open: bool = False
    acknowledged: bool = False
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """What is to be told now: that a rung was reached, or that it is ``over``."""

    rung: Rung
    over: bool = False


def due_by_default(not_before: datetime, not_after: datetime) -> datetime:
    """When a machine is to have renewed a certificate, if nobody said: with a third of its life left, as the usual
    programs do it."""
    return not_after - (not_after - not_before) / 3


def rungs(lifetime: timedelta) -> tuple[Rung, ...]:
    """The rungs of a certificate that somebody uploaded: those beyond half of its life are left out."""
    return (*(rung for rung, days in DAYS.items() if timedelta(days=days) * 2 <= lifetime), Rung.EXPIRED)


def reached(facts: Facts, now: datetime) -> Rung:
    """The worst rung that is true now."""
    left = facts.not_after - now
    if left <= timedelta(0):
        return Rung.EXPIRED
    if facts.automatic and not _in_trouble(facts, now):
        return Rung.NONE
    own = [rung for rung in rungs(facts.not_after - facts.not_before) if rung in DAYS]
    if facts.automatic:
        own = [rung for rung in own if rung in _LATE]
    below = [rung for rung in own if left <= timedelta(days=DAYS[rung])]
    return max([*below, Rung.RENEWAL if facts.automatic else Rung.NONE])


def decide(facts: Facts, told: Told, now: datetime) -> Word | None:
    """The one thing worth a mail now, or None.

    Snoozed: nothing but that it has expired. Acknowledged: nothing but the last day and that it has expired. That it
    is over is told if it was told that it began, whoever acknowledged it.
    """
    rung = reached(facts, now)
    if facts.gone or (facts.automatic and rung is Rung.NONE):
        return Word(told.worst, over=True) if told.is_open else None
    if rung <= told.worst or rung is Rung.NONE:
        return None
    if told.snoozed_until is not None and now < told.snoozed_until and rung is not Rung.EXPIRED:
        return None
    if told.acknowledged and rung < Rung.DAYS_1:
        return None
    return Word(rung)


def decide_flag(*, holds: bool, told: Told, now: datetime) -> Word | None:
    """The same for what is true or not: another certificate is served, a source cannot be read.

    It may come back after it was over: that is another episode, and is told again.
    """
    if not holds:
        return Word(told.worst, over=True) if told.is_open else None
    if told.is_open or (told.snoozed_until is not None and now < told.snoozed_until):
        return None
    return Word(Rung.RENEWAL)


def _in_trouble(facts: Facts, now: datetime) -> bool:
    grace = min(_GRACE, (facts.not_after - facts.not_before) / 20)
    overdue = facts.renewal_due is not None and now > facts.renewal_due + grace
    return overdue or facts.failures >= _FAILURES
