"""Keys are made here: for a certificate request, or for a self-signed certificate.

The web process makes the key, seals it for the worker at once, and forgets it: it cannot open it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import transaction
from django.http import HttpRequest

from certificates.core.keys import key_name, public_digest, to_pkcs8
from certificates.core.making import KeyKind, make_key, make_request, make_self_signed
from certificates.core.x509 import read_pair
from certificates.models import Certificate, CertificateRequest, key_context
from certificates.models.certificate import Source
from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

from .inventory import LABEL, store_pair


def request_certificate(
    *,
    project: Project,
    actor: User,
    label: str,
    names: Sequence[str],
    kind: KeyKind,
    organisation: str = "",
    request: HttpRequest | None = None,
) -> CertificateRequest:
    """Make a key and a certificate request for ``names`` (see ``core.making.parse_names``). One transaction."""
    key = make_key(kind)
    public_key = public_digest(key.public_key())
    sealed_key = worker_sealer().seal(Secret(to_pkcs8(key)), key_context(project.pk, public_key))
    with transaction.atomic():
        made = CertificateRequest.objects.create(
            project=project,
            label=(label or names[0])[:LABEL],
            names=list(names),
            key_type=key_name(key.public_key()),
            public_key=public_key,
            csr_pem=make_request(key, names, organisation=organisation),
            sealed_key=sealed_key,
            created_by=actor.get_username(),
        )
        record(
            actor=actor,
            action="certificate.request",
            project=project,
            target=str(made),
            detail={"names": list(names), "key": made.key_type, "public_key": public_key},
            request=request,
        )
    return made


def discard_request(*, waiting: CertificateRequest, actor: User, request: HttpRequest | None = None) -> None:
    """Remove a request and its key: a certificate that is signed for it later is of no use."""
    with transaction.atomic():
        record(
            actor=actor,
            action="certificate.discard-request",
            project=waiting.project,
            target=str(waiting),
            detail={"public_key": waiting.public_key},
            request=request,
        )
        waiting.delete()


def add_self_signed(
    *,
    project: Project,
    actor: User,
    label: str,
    names: Sequence[str],
    kind: KeyKind,
    days: int,
    request: HttpRequest | None = None,
) -> Certificate:
    """Make a key and a self-signed certificate for ``names`` and store them. One transaction."""
    now = datetime.now(UTC)
    key = make_key(kind)
    pem = make_self_signed(key, names, days=days, now=now)
    pair = read_pair(pem.encode(), to_pkcs8(key), None, now=now)
    return store_pair(pair, project=project, actor=actor, label=label, source=Source.SELF_SIGNED, request=request)
