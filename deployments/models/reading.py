"""Facts read from a node at a moment."""

from __future__ import annotations

from django.db import models

from .node import Node


class Reading(models.Model):
    """What a node answered, or why it did not. Pages show it with its age."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="readings")
    taken_at = models.DateTimeField()
    facts = models.JSONField(default=dict, help_text="The answer of `ffs-node facts`; empty if there was none.")
    error = models.TextField(blank=True, help_text="Why the node could not be read, in plain English.")

    class Meta:
        ordering = ["-taken_at"]
        get_latest_by = "taken_at"
        indexes = [models.Index(fields=["node", "-taken_at"])]
