"""Where events are posted to, and what became of each."""

from __future__ import annotations

import uuid

from django.db import models

from ffsweb.accounts.models import Project
from ffsweb.notify.outgoing import Outgoing, OutgoingQuerySet

from .addresses import BadAddress, parse


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Sets of endpoints."""

    def of(self, project: Project | None) -> EndpointQuerySet:
        """Those on the page of a project; None: those of the installation."""
        return self.filter(project=project)

    def told_of(self, project: Project | None) -> EndpointQuerySet:
        """Those that hear of what happens in ``project``, switched on: its own, and the installation's."""
        return self.filter(models.Q(project=project) | models.Q(project=None), stopped="")


class Endpoint(models.Model):
    """An address, the events that it wants, and the secret that signs them. Without a project: of all projects."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    sealed_secret = models.BinaryField(help_text="Sealed for the worker.")
    sealed_old_secret = models.BinaryField(null=True, help_text="Signs too until old_until.")
    old_until = models.DateTimeField(null=True)
    stopped = models.CharField(max_length=300, blank=True, help_text="Why nothing is sent; empty: it is.")
    failing_since = models.DateTimeField(null=True, help_text="Since the first failure after the last success.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        try:
            return parse(self.url).shown
        except BadAddress:
            return "an address that is none"

    @property
    def context(self) -> str:
        """What its sealed secrets are bound to."""
        return f"webhook-secret:{self.key}"


def new_identity() -> str:
    """A fresh webhook-id; a delivery keeps it through all attempts, so that a receiver knows a doubled one."""
    return f"msg_{uuid.uuid4().hex}"


class Delivery(Outgoing):
    """One event for one endpoint. ``key`` names the event: no endpoint is told of it twice."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    identity = models.CharField(max_length=40, unique=True, default=new_identity)
    body = models.TextField(help_text="JSON, as it is signed and sent.")
    status = models.PositiveSmallIntegerField(null=True, help_text="The last answer's.")

    objects = OutgoingQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "key"], name="one_delivery_per_event")]
        indexes = [models.Index(fields=["state", "next_at"], name="webhook_due")]

    def __str__(self) -> str:
        return f"{self.event} for {self.endpoint}"
