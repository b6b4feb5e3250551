"""Releases that services are owed: their nodes could not be reached when the others got them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from ffsweb.operations.contract import OperationView

    from .content import Release
    from .service import Service


class OwedQuerySet(models.QuerySet["Owed"]):
    """Sets of debts."""

    def payable(self) -> OwedQuerySet:
        """Those whose node was read, well, since it was last tried: it may be back."""
        read = Q(service__node__readings__error="", service__node__readings__taken_at__gt=F("tried_at"))
        return self.filter(read).distinct()


class Owed(models.Model):
    """A release that a service gets as soon as its node is back. A newer deploy of the service takes its place."""

    service = models.OneToOneField("deployments.Service", on_delete=models.CASCADE, related_name="owed")
    release = models.ForeignKey("deployments.Release", on_delete=models.CASCADE, related_name="owed_to")
    since = models.DateTimeField(db_default=Now())
    operation = models.PositiveBigIntegerField(help_text="Number of the deploy that left it out.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    tried_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="Why it could not be begun the last time.")

    objects = OwedQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.service} is owed {self.release}"


def owe(service: Service, release: Release, *, operation: OperationView) -> None:
    """Remember that ``service`` did not get ``release``; an older debt of it is forgotten. Two queries."""
    values = {"release": release, "operation": operation.id, "since": Now(), "tried_at": Now(), "problem": ""}
    Owed.objects.update_or_create(service=service, defaults={**values, "asked_by_id": operation.actor_id})
