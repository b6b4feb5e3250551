"""Answers that were given to requests with an idempotency key."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.utils import timezone

KEPT = dt.timedelta(hours=24)
"""How long a key means the request that it came with first."""


class AnswerQuerySet(models.QuerySet["StoredAnswer"]):
    """Sets of answers."""

    def forget_old(self) -> int:
        """Remove those whose time is over; how many."""
        return self.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


class StoredAnswer(models.Model):
    """What was answered to a request of ``user`` that came with ``key``."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = AnswerQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
