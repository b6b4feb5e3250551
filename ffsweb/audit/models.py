"""The audit log: one row per action, each bound to the one before it by a hash."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class AppendOnly(TypeError):
    """The audit log was to be changed. Nothing was."""


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    """Sets of events; they can be read, and nothing else."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Audit events are never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("Audit events are never removed.")


class AuditEvent(models.Model):
    """Who did what, when, to what and from where.

    ``project`` and ``actor`` are for finding events and go when their row goes; what the hash holds are the names.
    """

    sequence = models.BigIntegerField(unique=True, help_text="1, 2, 3 … without a gap.")
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=64, db_index=True)
    project = models.ForeignKey("accounts.Project", null=True, on_delete=models.SET_NULL, related_name="audit_events")
    project_name = models.CharField(max_length=32, blank=True)
    target = models.CharField(max_length=255, blank=True)
    detail_json = models.TextField(default="{}", help_text="Canonical JSON, the very bytes that were hashed.")
    source = models.CharField(max_length=45, blank=True, help_text="The IP address of the request, if any.")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.actor_name} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores a new event; an old one is refused."""
        if self.pk is not None:
            raise AppendOnly("Audit events are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Audit events are never removed.")

    @property
    def detail(self) -> dict[str, Any]:
        """What else is known of the action."""
        loaded = json.loads(self.detail_json)
        return loaded if isinstance(loaded, dict) else {}


class AuditHead(models.Model):
    """The end of the chain, in one row: whoever appends locks it first, so the chain cannot fork."""

    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.sequence}: {self.hash}"
