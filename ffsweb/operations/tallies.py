"""What is counted for ever: ends of operations and leases taken over. Rows that are forgotten stay counted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

if TYPE_CHECKING:
    from .contract import Outcome
    from .models import Operation

ENDED: Final = "ended"
TAKEN_OVER: Final = "taken_over"
BOUNDS: Final = (1, 5, 15, 60, 300, 900, 3600, 14400)
"""Seconds: the upper ends of the classes in which durations are counted."""
LONGER: Final = 0
NEVER_BEGUN: Final = -1


class Tally(models.Model):
    """How often something happened. ``bound``: one of BOUNDS, LONGER, or NEVER_BEGUN for what took no time at all."""

    event = models.CharField(max_length=12)
    kind = models.CharField(max_length=40)
    outcome = models.CharField(max_length=12, blank=True)
    bound = models.IntegerField(default=NEVER_BEGUN)
    number = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="Of all of them together.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "kind", "outcome", "bound"], name="one_tally_per_class")
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.kind} {self.outcome}: {self.number}"


def count_end(operation: Operation, outcome: Outcome) -> None:
    """An end hook: counts the end with its duration, pauses and questions included. One query, as a rule."""
    bound, seconds = _class_of(operation.started_at, timezone.now())
    _count(seconds, event=ENDED, kind=operation.kind, outcome=str(outcome.state), bound=bound)


def count_takeover(kind: str) -> None:
    """Counts a claim from a worker that vanished; part of the claim's transaction. One query, as a rule."""
    _count(0.0, event=TAKEN_OVER, kind=kind, outcome="", bound=NEVER_BEGUN)


def bound_of(seconds: float) -> int:
    """The class of a duration."""
    return next((bound for bound in BOUNDS if seconds <= bound), LONGER)


def _class_of(started_at: datetime | None, now: datetime) -> tuple[int, float]:
    if started_at is None:
        return NEVER_BEGUN, 0.0
    seconds = max(0.0, (now - started_at).total_seconds())
    return bound_of(seconds), seconds


def _count(seconds: float, **names: Any) -> None:
    rows = Tally.objects.filter(**names)
    if not rows.update(number=F("number") + 1, seconds=F("seconds") + seconds):
        Tally.objects.get_or_create(**names)  # in a savepoint: of two at once, one makes it
        rows.update(number=F("number") + 1, seconds=F("seconds") + seconds)


class Sign(models.Model):
    """When something gave a sign of life last: ``tick``, which the clock sends and a worker runs."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"


TICK: Final = "tick"


def ticked() -> None:
    """A worker was given a tick: the clock, the broker and a worker were all there. One query, as a rule."""
    Sign.objects.update_or_create(name=TICK, defaults={"at": Now()})
