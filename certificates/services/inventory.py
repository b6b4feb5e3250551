"""Certificates come into the inventory, and leave it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from certificates.core.errors import MaterialError
from certificates.core.x509 import read_pair
from certificates.models import Certificate, sealing_context
from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

LABEL = 80
"""Characters of a label."""


class AlreadyThere(MaterialError):
    """The project has this certificate."""


class StillUsed(MaterialError):
    """A service uses the certificate."""


def add_certificate(
    *,
    project: Project,
    actor: User,
    label: str,
    chain_pem: bytes,
    key_pem: bytes,
    passphrase: bytes | None = None,
    request: HttpRequest | None = None,
) -> Certificate:
    """Check a pair and store it, the key sealed for the worker; raises MaterialError. One transaction.

    A random passphrase for ``server.key.enc`` is made here (256 bits), so that no human one has to be strong.
    """
    pair = read_pair(chain_pem, key_pem, passphrase, now=datetime.now(UTC))
    sealer = worker_sealer()
    context = sealing_context(project.pk, pair.fingerprint)
    try:
        with transaction.atomic():
            certificate = Certificate.objects.create(
                project=project,
                label=(label or pair.subject or pair.fingerprint[:12])[:LABEL],
                fingerprint=pair.fingerprint,
                subject=pair.subject,
                issuer=pair.issuer,
                names=list(pair.names),
                not_before=pair.not_before,
                not_after=pair.not_after,
                key_type=pair.key_type,
                chain_pem=pair.chain_pem,
                sealed_key=sealer.seal(Secret(pair.key_pem), f"{context}:key"),
                sealed_passphrase=sealer.seal(Secret(secrets.token_urlsafe(32)), f"{context}:passphrase"),
                created_by=actor.get_username(),
            )
            record(
                actor=actor,
                action="certificate.add",
                project=project,
                target=str(certificate),
                detail={"fingerprint": pair.fingerprint, "not_after": pair.not_after.isoformat()},
                request=request,
            )
    except IntegrityError as error:
        raise AlreadyThere("This certificate is in the project's inventory already.") from error
    return certificate


def remove_certificate(*, certificate: Certificate, actor: User, request: HttpRequest | None = None) -> None:
    """Remove a certificate that nothing uses; raises StillUsed.

    Who uses it is the database's knowledge: rows of other applications refer to it and restrict its removal.
    """
    try:
        with transaction.atomic():
            record(
                actor=actor,
                action="certificate.remove",
                project=certificate.project,
                target=str(certificate),
                detail={"fingerprint": certificate.fingerprint},
                request=request,
            )
            certificate.delete()
    except IntegrityError as error:  # RestrictedError is one; so is what a row raises that came meanwhile
        raise StillUsed("A service uses this certificate. Give the service another one first.") from error
