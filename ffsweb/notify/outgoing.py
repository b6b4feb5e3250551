"""What goes out once, sooner or later: the rows of an outbox, whatever it is that is sent.

A row is claimed by compare-and-swap and, when it could not be sent, waits as ``backoff`` says.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import F

CLAIM = timedelta(minutes=10)
"""Longer than the slowest receiver takes for one."""


class OutgoingQuerySet(models.QuerySet[Any]):
    """Sets of what goes out."""

    def queued(self) -> Self:
        """Those that were neither sent nor given up."""
        return self.filter(state=Outgoing.State.QUEUED)

    def due(self, now: datetime) -> Self:
        """Those to be tried now, and that no worker has in its hands."""
        free = models.Q(claimed_until=None) | models.Q(claimed_until__lt=now)
        return self.queued().filter(free, next_at__lte=now)

    def claim(self, pk: int, now: datetime) -> Any | None:
        """Take one row that is due, by compare-and-swap; None if another worker has it. Two queries."""
        token = uuid.uuid4().hex
        taken = self.due(now).filter(pk=pk).update(
            claim=token, claimed_until=now + CLAIM, tried_at=now, attempts=F("attempts") + 1
        )  # fmt: skip
        return self.filter(claim=token).first() if taken else None


class Outgoing(models.Model):
    """One thing to be sent to one receiver."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENT = "sent", "Sent"
        GIVEN_UP = "given_up", "Given up"

    created_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    claim = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
