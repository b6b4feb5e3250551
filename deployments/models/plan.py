"""What an operation would change, as it was shown."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

from deployments.core.plan import Plan as PlanValue
from deployments.core.plan import from_value
from ffsweb.accounts.models import Project

KEPT = timedelta(days=30)
"""A plan is looked at for minutes; an operation keeps its own copy."""


class PlanQuerySet(models.QuerySet["Plan"]):
    """Sets of plans."""

    def forget_old(self) -> int:
        """Remove the plans that nobody made again for a month; how many."""
        return self.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


class Plan(models.Model):
    """A plan with its hash; what runs is exactly the plan that was shown."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="plans")
    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the canonical JSON.")
    body = models.JSONField(help_text="See deployments.core.plan.")
    created_at = models.DateTimeField(default=timezone.now, help_text="When it was made last.")
    created_by = models.CharField(max_length=150, blank=True)

    objects = PlanQuerySet.as_manager()

    def parsed(self) -> PlanValue:
        """The plan as a value; raises PlanError if another version of ffsweb made it, in another form."""
        return from_value(self.body)
