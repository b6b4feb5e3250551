"""A key that waits for its certificate."""

from __future__ import annotations

from django.db import models
from django.urls import reverse

from ffsweb.accounts.models import Project

from .certificate import key_context


class CertificateRequest(models.Model):
    """A certificate request (CSR) that was made here, with its sealed private key; never changed.

    It goes when the certificate comes: the sealed key moves into the certificate's row as it is.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="certificate_requests")
    label = models.CharField(max_length=80)
    names = models.JSONField(default=list, help_text="DNS names and IP addresses it asks for.")
    key_type = models.CharField(max_length=40)
    public_key = models.CharField(max_length=64, help_text="SHA-256 of the SubjectPublicKeyInfo, 64 hex digits.")
    csr_pem = models.TextField()
    sealed_key = models.BinaryField(help_text="The private key (PKCS#8 PEM), sealed for the worker.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["project", "public_key"], name="one_request_per_key")]

    def __str__(self) -> str:
        return self.label

    def get_absolute_url(self) -> str:
        """Its page. No query if the project was selected."""
        return reverse("certificates:request", args=[self.project.name, self.pk])

    @property
    def key_context(self) -> str:
        """The context under which ``sealed_key`` opens."""
        return key_context(self.project_id, self.public_key)
