"""What an operation would change, as it was shown."""

from __future__ import annotations

from django.db import models

from deployments.core.plan import Plan as PlanValue
from deployments.core.plan import from_value
from ffsweb.accounts.models import Project


class Plan(models.Model):
    """A plan with its hash; what runs is exactly the plan that was shown."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="plans")
    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the canonical JSON.")
    body = models.JSONField(help_text="See deployments.core.plan.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    def parsed(self) -> PlanValue:
        """The plan as a value."""
        return from_value(self.body)
