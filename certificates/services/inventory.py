"""Certificates come into the inventory, get another label, and leave it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from certificates.core.errors import MaterialError, NoKey
from certificates.core.opensslenc import ROUNDS
from certificates.core.x509 import Pair, read_pair
from certificates.models import Certificate, CertificateRequest, key_context, sealing_context
from certificates.models.certificate import Source
from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

from . import apart

LABEL = 80
"""Characters of a label."""


class AlreadyThere(MaterialError):
    """The project has this certificate."""


class StillUsed(MaterialError):
    """A service uses the certificate."""


def upload_certificate(
    *,
    project: Project,
    actor: User,
    label: str,
    chain: bytes,
    key: bytes,
    passphrase: bytes | None = None,
    rounds: int = ROUNDS,
    replaces: Certificate | None = None,
    request: HttpRequest | None = None,
) -> tuple[Certificate, tuple[str, ...]]:
    """Check what came and store it, the key sealed for the worker; raises MaterialError. One transaction.

    ``chain`` and ``key`` may have any form that ``read_pair`` takes; without a key, the one that waits in this
    project for this certificate is taken, and stays sealed. ``replaces`` gives its label and is remembered. The
    second answer says what was mended in what came.
    """
    waiting = _waiting(project)
    now = datetime.now(UTC)
    pair = read_pair(chain, key, passphrase, now=now, rounds=rounds, waiting=waiting, open_store=apart.to_pem)
    certificate = store_pair(
        pair, project=project, actor=actor, label=label, source=Source.UPLOAD, replaces=replaces, request=request
    )
    return certificate, pair.notes


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
    """As ``upload_certificate``, for programs: the certificate alone."""
    certificate, _ = upload_certificate(
        project=project,
        actor=actor,
        label=label,
        chain=chain_pem,
        key=key_pem,
        passphrase=passphrase,
        request=request,
    )
    return certificate


def store_pair(
    pair: Pair,
    *,
    project: Project,
    actor: User,
    label: str,
    source: Source,
    replaces: Certificate | None = None,
    request: HttpRequest | None = None,
) -> Certificate:
    """Store a checked pair; raises AlreadyThere, and NoKey when the key that waited went meanwhile.

    A random passphrase for ``server.key.enc`` is made here (256 bits), so that no human one has to be strong.
    """
    sealer = worker_sealer()
    passphrase = sealer.seal(
        Secret(secrets.token_urlsafe(32)), f"{sealing_context(project.pk, pair.fingerprint)}:passphrase"
    )
    try:
        with transaction.atomic():
            if pair.key_pem is None:
                sealed_key, source = _take_waiting(project, pair.public_key)
            else:
                sealed_key = sealer.seal(Secret(pair.key_pem), key_context(project.pk, pair.public_key))
            certificate = Certificate.objects.create(
                project=project,
                label=(replaces.label if replaces else label or pair.subject or pair.fingerprint[:12])[:LABEL],
                source=source,
                replaces=replaces,
                automatic=replaces is not None and replaces.automatic,
                fingerprint=pair.fingerprint,
                public_key=pair.public_key,
                subject=pair.subject,
                issuer=pair.issuer,
                names=list(pair.names),
                not_before=pair.not_before,
                not_after=pair.not_after,
                key_type=pair.key_type,
                chain_pem=pair.chain_pem,
                sealed_key=sealed_key,
                sealed_passphrase=passphrase,
                created_by=actor.get_username(),
            )
            detail = {"fingerprint": pair.fingerprint, "not_after": pair.not_after.isoformat(), "source": str(source)}
            if replaces is not None:
                detail["replaces"] = replaces.fingerprint
            record(
                actor=actor,
                action="certificate.add",
                project=project,
                target=str(certificate),
                detail=detail,
                request=request,
            )
    except IntegrityError as error:
        raise AlreadyThere("This certificate is in the project's inventory already.") from error
    return certificate


def rename_certificate(
    *, certificate: Certificate, label: str, actor: User, request: HttpRequest | None = None
) -> None:
    """Give a certificate another label (1 to LABEL characters)."""
    with transaction.atomic():
        before = certificate.label
        certificate.label = label
        certificate.save(update_fields=["label"])
        record(
            actor=actor,
            action="certificate.rename",
            project=certificate.project,
            target=label,
            detail={"fingerprint": certificate.fingerprint, "before": before},
            request=request,
        )


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


def _waiting(project: Project) -> set[str]:
    """The public keys whose private key is here, sealed under a context that another certificate can use."""
    requests = CertificateRequest.objects.filter(project=project).values_list("public_key", flat=True)
    known = Certificate.objects.filter(project=project, bound_by_key=True).values_list("public_key", flat=True)
    return {*requests, *known}


def _take_waiting(project: Project, public_key: str) -> tuple[bytes, Source]:
    """The sealed key for ``public_key`` and where it was; a request ends by it."""
    waiting = CertificateRequest.objects.select_for_update().filter(project=project, public_key=public_key).first()
    if waiting is not None:
        sealed = bytes(waiting.sealed_key)
        waiting.delete()
        return sealed, Source.REQUEST
    known = Certificate.objects.filter(project=project, public_key=public_key, bound_by_key=True).first()
    if known is None:
        raise NoKey("The key of this certificate was removed meanwhile. Nothing was stored.")
    return bytes(known.sealed_key), Source.SAME_KEY
