"""The inventory of certificates."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import models

from ffsweb.accounts.models import Project


def sealing_context(project_pk: int, fingerprint: str) -> str:
    """What a certificate's sealed secrets are bound to, so that they open in no other row."""
    return f"certificate:{project_pk}:{fingerprint}"


class Certificate(models.Model):
    """One certificate with its chain and its sealed private key; never changed after it was made."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="certificates")
    label = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the DER form, 64 hex digits.")
    subject = models.CharField(max_length=255, blank=True)
    issuer = models.CharField(max_length=255, blank=True)
    names = models.JSONField(default=list, help_text="DNS names and IP addresses it is for.")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    key_type = models.CharField(max_length=40)
    chain_pem = models.TextField(help_text="The certificate, then its issuers, as PEM.")
    sealed_key = models.BinaryField(help_text="The private key (PKCS#8 PEM), sealed for the worker.")
    sealed_passphrase = models.BinaryField(help_text="What opens server.key.enc on a node; sealed for the worker.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-not_after"]
        constraints = [
            models.UniqueConstraint(fields=["project", "fingerprint"], name="one_certificate_per_fingerprint")
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def key_context(self) -> str:
        """The context under which ``sealed_key`` opens."""
        return f"{sealing_context(self.project_id, self.fingerprint)}:key"

    @property
    def passphrase_context(self) -> str:
        """The context under which ``sealed_passphrase`` opens."""
        return f"{sealing_context(self.project_id, self.fingerprint)}:passphrase"

    @property
    def version(self) -> str:
        """Names what a node keeps of it: the fingerprint, and which passphrase its key is encrypted under there.

        A pair that was removed and uploaded again has another passphrase, so its files on a node are others too.
        """
        return f"{self.fingerprint}-{hashlib.sha256(bytes(self.sealed_passphrase)).hexdigest()[:8]}"

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires, rounded down; negative once it has."""
        return (self.not_after - now) // timedelta(days=1)
