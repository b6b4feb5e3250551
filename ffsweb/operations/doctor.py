"""What ``ffs doctor`` looks at of the engine: clock and workers, what waits, what is stuck."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import redis
from django.db.models import Count, Min
from django.db.models.functions import Now
from django.utils import timezone

from ffsweb.celery import app
from ffsweb.doctor.findings import Check, Finding, fail, ok, some, warn
from ffsweb.web.measures import span_in_words

from . import wakeup
from .models import Operation, Question, Sign
from .states import State
from .tallies import TICK

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE: Final = timedelta(seconds=60)
"""A tick comes every 15 seconds."""
WAITS_LONG: Final = timedelta(minutes=5)
RUNS_LONG: Final = timedelta(hours=12)
ASKS_LONG: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Pulse:
    """``last``: the last tick, None for none ever; ``messages``: wake-ups that nobody took, None if not known."""

    now: datetime
    last: datetime | None
    messages: int | None


@dataclass(frozen=True, slots=True)
class Engine:
    """Operations that have not ended: numbers, and since when the oldest of each."""

    now: datetime
    lost: int = 0
    claimable: int = 0
    claimable_since: datetime | None = None
    long_runs: tuple[str, ...] = ()
    asked: int = 0
    asked_since: datetime | None = None


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (
        Check("clock and worker", lambda: judge_pulse(_pulse()), database=True),
        Check("operations", lambda: judge_engine(_engine()), database=True),
    )


def judge_pulse(pulse: Pulse) -> Finding:
    """Which of clock, broker and worker is gone, by what is left of their work. Pure."""
    if pulse.last is not None and pulse.now - pulse.last <= LATE:
        return ok(f"A worker was given a tick {span_in_words(pulse.now - pulse.last)} ago.")
    since = f"for {span_in_words(pulse.now - pulse.last)}" if pulse.last else "ever"
    text = f"No worker was given a tick {since}."
    if pulse.messages is None:
        return fail(text, "The broker does not answer: see there first.")
    if pulse.messages:
        return fail(f"{text} {pulse.messages} wake-ups wait in the broker.", "The worker is gone or hangs: start it.")
    return fail(f"{text} No wake-up waits in the broker.", "The clock (beat) is gone: start it.")


def judge_engine(found: Engine) -> Iterator[Finding]:
    """Pure."""
    wrong = list(_stuck(found))
    yield from wrong
    if not wrong:
        yield ok(f"Nothing is stuck; {found.claimable} wait for a worker, {found.asked} for an answer.")


def _stuck(found: Engine) -> Iterator[Finding]:
    if found.lost:
        yield fail(
            f"{found.lost} running operations have lost their worker.",
            "Start a worker: it goes on from the journal with what is not done yet.",
        )
    if found.claimable_since is not None and found.now - found.claimable_since > WAITS_LONG:
        age = span_in_words(found.now - found.claimable_since)
        yield fail(
            f"{found.claimable} operations wait for a worker, the oldest for {age}.",
            "If clock and worker are there, all threads of the worker are in use: see which operations run.",
        )
    if found.long_runs:
        yield warn(
            f"These have run for more than {span_in_words(RUNS_LONG)}: {some(found.long_runs)}.",
            "Look at their logs. Cancelled, they leave the nodes on old or new and say which.",
        )
    if found.asked_since is not None and found.now - found.asked_since > ASKS_LONG:
        age = span_in_words(found.now - found.asked_since)
        yield warn(f"{found.asked} questions are open, the oldest for {age}.", "Answer them, under *Operations*.")


def _pulse() -> Pulse:
    """One query, and one question to the broker."""
    last = Sign.objects.filter(name=TICK).values_list("at", flat=True).first()
    told: Any
    try:
        with wakeup.client() as client:
            told = client.llen(str(app.conf.task_default_queue))
    except (redis.RedisError, OSError):
        told = None
    return Pulse(timezone.now(), last, told)


def _engine() -> Engine:
    """Four queries."""
    running = Operation.objects.filter(state=State.RUNNING)
    claimable = Operation.objects.claimable().aggregate(number=Count("pk"), since=Min("created_at"))
    asked = Question.objects.open().filter(operation__in=Operation.objects.active())
    open_ = asked.aggregate(number=Count("pk"), since=Min("asked_at"))
    long = running.filter(started_at__lt=Now() - RUNS_LONG).order_by("pk")[:20]
    return Engine(
        now=timezone.now(),
        lost=running.filter(lease_until__lt=Now()).count(),
        claimable=claimable["number"],
        claimable_since=claimable["since"],
        long_runs=tuple(f"{row.title} ({row.pk})" for row in long),
        asked=open_["number"],
        asked_since=open_["since"],
    )
