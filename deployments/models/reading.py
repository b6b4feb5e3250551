"""Facts read from a node at a moment."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import models

from deployments.core.facts import FactsError, NodeFacts, facts_from

from .storable import storable, storable_text


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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores it; what no database takes of a node's text is replaced."""
        self.facts, self.error = storable(self.facts), storable_text(self.error)
        super().save(*args, **kwargs)

    def parsed(self) -> NodeFacts | None:
        """The facts, or None where there are none: ``problem`` says why. Parsed once per row."""
        return self._parsed[0]

    @property
    def problem(self) -> str:
        """Why nothing is known of the node, in plain English; "" if its facts are there."""
        return self.error or self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[NodeFacts | None, str]:
        try:
            return (facts_from(self.facts), "") if self.facts else (None, "")
        except FactsError:
            # Stored by another version of ffsweb, which knew another form: as good as not read, until the next one.
            return None, "The last reading was stored by another version of ffsweb. Read the node again."
