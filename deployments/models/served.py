"""The certificate that a service was last seen to serve, from the dashboard and from its own node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from deployments.core.served import Seen

EVERY = timedelta(minutes=10)
"""How often it is looked at each service."""
OLD = 3 * EVERY
ERROR = 500
"""Characters kept of why nothing was seen."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one side saw ``at`` a moment; times are UTC.

    SHA-256 of the certificate's DER form in hex with its end, if that could be read, and the host's port that served
    it; or "" and port 0, and why in ``error``.
    """

    at: datetime
    port: int
    fingerprint: str
    not_after: datetime | None
    error: str

    @property
    def is_old(self) -> bool:
        """Whether it was seen so long ago that it says little of now."""
        return timezone.now() - self.at > OLD

    @property
    def days(self) -> int | None:
        """Whole days that what is served has left; None if that is not known."""
        return (self.not_after - timezone.now()).days if self.not_after else None

    @property
    def seen(self) -> Seen:
        """For a comparison."""
        return Seen(self.fingerprint, self.error, self.is_old)


class Served(models.Model):
    """What TLS handshakes with a service showed, or why they showed nothing: the dashboard's, and the node's own."""

    service = models.OneToOneField("deployments.Service", on_delete=models.CASCADE, related_name="served")
    at = models.DateTimeField(null=True, blank=True, help_text="When the dashboard looked.")
    port = models.PositiveIntegerField(default=0, help_text="The host's port that served it; 0: none did.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the DER form, 64 hex digits.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Only the dashboard reads it.")
    not_after = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=ERROR, blank=True, help_text="Why no certificate was seen.")
    node_at = models.DateTimeField(null=True, blank=True, help_text="When the node looked.")
    node_port = models.PositiveIntegerField(default=0)
    node_fingerprint = models.CharField(max_length=64, blank=True)
    node_not_after = models.DateTimeField(null=True, blank=True)
    node_error = models.CharField(max_length=ERROR, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.service} serves {self.fingerprint[:16] or self.node_fingerprint[:16] or 'nothing'}"

    @property
    def outside(self) -> Sight | None:
        """What the dashboard saw; None if it never looked."""
        return Sight(self.at, self.port, self.fingerprint, self.not_after, self.error) if self.at else None

    @property
    def inside(self) -> Sight | None:
        """What the node saw; None if it never looked."""
        if self.node_at is None:
            return None
        return Sight(self.node_at, self.node_port, self.node_fingerprint, self.node_not_after, self.node_error)
