"""Facts read from a node at a moment."""

from __future__ import annotations

from django.db import models

from deployments.core.facts import NodeFacts, facts_from


class Reading(models.Model):
    """What a node answered, or why it did not. Pages show it with its age."""

    node = models.ForeignKey("deployments.Node", on_delete=models.CASCADE, related_name="readings")
    taken_at = models.DateTimeField()
    facts = models.JSONField(default=dict, help_text="The answer of `ffs-node facts`; empty if there was none.")
    error = models.TextField(blank=True, help_text="Why the node could not be read, in plain English.")

    class Meta:
        ordering = ["-taken_at"]
        get_latest_by = "taken_at"
        indexes = [models.Index(fields=["node", "-taken_at"])]

    def parsed(self) -> NodeFacts | None:
        """The facts, or None where the node could not be read."""
        return facts_from(self.facts) if self.facts else None
