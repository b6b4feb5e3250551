"""The certificates that a service had before: what is kept, so that it can be given them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from certificates.models import Certificate
from deployments.core.served import fingerprint_of

from .service import Service

if TYPE_CHECKING:
    from datetime import datetime


class HadCertificate(models.Model):
    """A certificate that was proven in place on a service, until another one was.

    Chain, sealed key and sealed passphrase are those of the inventory's row, which stays when nothing uses it any
    more. Only a person removes it there, who is told what can be given back no more.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="had")
    certificate = models.ForeignKey("certificates.Certificate", on_delete=models.CASCADE, related_name="had_by")
    until = models.DateTimeField(help_text="When another one took its place.")

    class Meta:
        ordering = ["-until", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["service", "certificate"], name="had_a_certificate_once_in_the_list")
        ]

    def __str__(self) -> str:
        return f"{self.service} had {self.certificate}"


def note_change(service: Service, *, old: str, new: str, at: datetime) -> None:
    """Remember that ``new`` took the place of ``old``; both as a node names them, "" for none. Two or three queries.

    What is in place is not in the list of what was before. An old one that the inventory does not know cannot be
    given back, and is not listed.
    """
    before, now = fingerprint_of(old), fingerprint_of(new)
    if before == now:
        return
    HadCertificate.objects.filter(service=service, certificate__fingerprint=now).delete()
    row = Certificate.objects.filter(project=service.project_id, fingerprint=before).only("pk").first()
    if row is not None:
        HadCertificate.objects.update_or_create(service=service, certificate=row, defaults={"until": at})
