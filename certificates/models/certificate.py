"""A certificate of the inventory."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import models
from django.urls import reverse

from certificates.core.expiry import due_by_default
from certificates.core.findings import Level, time_level
from ffsweb.accounts.models import Project


def sealing_context(project_pk: int, fingerprint: str) -> str:
    """What a certificate's sealed secrets are bound to, so that they open in no other row."""
    return f"certificate:{project_pk}:{fingerprint}"


def key_context(project_pk: int, public_key: str) -> str:
    """What a sealed private key is bound to: its project and its public key (digest).

    So a key that was made for a request opens under the certificate that answers it, and nowhere else.
    """
    return f"certificate-key:{project_pk}:{public_key}:key"


class Source(models.TextChoices):
    """Where a certificate came from."""

    UPLOAD = "upload", "Uploaded with its key"
    REQUEST = "request", "Signed for a request that was made here"
    SAME_KEY = "same-key", "Uploaded for a key that was here"
    SELF_SIGNED = "self-signed", "Made here, self-signed"


class Certificate(models.Model):
    """One certificate with its chain and its sealed private key.

    Only its label is changed after it was made, and who renews it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="certificates")
    label = models.CharField(max_length=80)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.UPLOAD)
    replaces = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="replaced_by",
        help_text="The certificate that it was uploaded in place of.",
    )
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the DER form, 64 hex digits.")
    public_key = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="SHA-256 of its SubjectPublicKeyInfo, 64 hex digits."
    )
    subject = models.CharField(max_length=255, blank=True)
    issuer = models.CharField(max_length=255, blank=True)
    names = models.JSONField(default=list, help_text="DNS names and IP addresses it is for.")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    key_type = models.CharField(max_length=40)
    chain_pem = models.TextField(help_text="The certificate, then its issuers, as PEM.")
    sealed_key = models.BinaryField(help_text="The private key (PKCS#8 PEM), sealed for the worker.")
    bound_by_key = models.BooleanField(
        default=True, help_text="Whether the sealed key is bound to the public key, or (older rows) the certificate."
    )
    sealed_passphrase = models.BinaryField(help_text="What opens server.key.enc on a node; sealed for the worker.")
    automatic = models.BooleanField(default=False, help_text="A machine renews it.")
    renew_by = models.DateTimeField(
        null=True, blank=True, help_text="When the next one is to be here; empty: with a third of its life left."
    )
    renewal_failures = models.PositiveIntegerField(default=0, help_text="Since it came.")
    renewal_failed_at = models.DateTimeField(null=True, blank=True)
    renewal_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-not_after"]
        constraints = [
            models.UniqueConstraint(fields=["project", "fingerprint"], name="one_certificate_per_fingerprint")
        ]

    def __str__(self) -> str:
        return self.label

    def get_absolute_url(self) -> str:
        """Its page. No query if the project was selected."""
        return reverse("certificates:detail", args=[self.project.name, self.pk])

    @property
    def key_context(self) -> str:
        """The context under which ``sealed_key`` opens."""
        if self.bound_by_key:
            return key_context(self.project_id, self.public_key)
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

    @property
    def renewal_due(self) -> datetime:
        """When the next one is to be here."""
        return self.renew_by or due_by_default(self.not_before, self.not_after)

    def time_level(self, now: datetime) -> Level | None:
        """How near its end it is (see ``core.findings.time_level``)."""
        return time_level(self.not_before, self.not_after, now)
