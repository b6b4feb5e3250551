"""Since when the dashboard has looked at certificates without a gap."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

GAP = timedelta(hours=12)
"""Longer than this between two looks, and nothing is assumed of the time between them."""


class Looked(models.Model):
    """The one row about the looks themselves."""

    last_at = models.DateTimeField()
    running_since = models.DateTimeField()

    def __str__(self) -> str:
        return f"looked at {self.last_at}"

    @classmethod
    def now(cls, moment: datetime) -> timedelta:
        """Note a look. How long the gap before it was; 0: there was none, or another worker noted it."""
        before, is_new = cls.objects.get_or_create(pk=1, defaults={"last_at": moment, "running_since": moment})
        if is_new or moment <= before.last_at:
            return timedelta(0)
        gap = moment - before.last_at
        since = moment if gap > GAP else before.running_since
        changed = cls.objects.filter(pk=1, last_at=before.last_at).update(last_at=moment, running_since=since)
        return gap if changed and gap > GAP else timedelta(0)

    @classmethod
    def since(cls, moment: datetime) -> datetime:
        """Since when it has been looked without a gap; ``moment`` if nobody looked of late. One query."""
        row = cls.objects.filter(pk=1).first()
        return row.running_since if row is not None and moment - row.last_at <= GAP else moment
