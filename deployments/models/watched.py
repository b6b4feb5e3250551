"""What is remembered of a service's or a node's trouble, beside what its readings say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from deployments.core.episodes import Episode


class Watched(models.Model):
    """A row whose trouble is told of, by one of two readings: compare-and-swap on ``watch_revision``."""

    trouble_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Empty: there is none.")
    trouble = models.TextField(blank=True, editable=False, help_text="What is wrong, in a sentence.")
    watch = models.JSONField(default=dict, editable=False, help_text="What is remembered from reading to reading.")
    watch_revision = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    def after(self, episode: Episode, watch: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """The fields that a reading changes; empty if it changes nothing. No query."""
        since = datetime.fromtimestamp(episode.since, UTC) if episode.since is not None else None
        new = {"trouble_since": since, "trouble": episode.reason, "watch": watch, **fields}
        return {} if all(getattr(self, name) == value for name, value in new.items()) else new

    def swap(self, new: dict[str, Any]) -> bool:
        """Store what :meth:`after` gave, here and in the database, unless another reading was stored since this row
        was read; whether it was by our hand. One query."""
        rows = type(self)._default_manager.filter(pk=self.pk, watch_revision=self.watch_revision)
        if not rows.update(**new, watch_revision=self.watch_revision + 1):
            return False
        for name, value in new.items():
            setattr(self, name, value)
        self.watch_revision += 1
        return True
