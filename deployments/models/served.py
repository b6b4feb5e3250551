"""The certificate that a service was last seen to serve."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

EVERY = timedelta(minutes=10)
"""How often the dashboard looks at each service."""
OLD = 3 * EVERY


class Served(models.Model):
    """What a TLS handshake with a service showed, or why it showed nothing."""

    service = models.OneToOneField("deployments.Service", on_delete=models.CASCADE, related_name="served")
    at = models.DateTimeField(help_text="When somebody looked.")
    port = models.PositiveIntegerField(default=0, help_text="The host's port that served it; 0: none did.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the DER form, 64 hex digits.")
    not_after = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why no certificate was seen.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.service} serves {self.fingerprint[:16] or 'nothing'}"

    @property
    def is_old(self) -> bool:
        """Whether it was seen so long ago that it says little of now."""
        return timezone.now() - self.at > OLD
