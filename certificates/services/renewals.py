"""Who renews a certificate, and how that goes: marks that people and programs set."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from certificates.models import Certificate
from ffsweb.accounts.models import User
from ffsweb.audit.services import record
from ffsweb.notify.letter import one_line

ERROR = 500
"""Characters that are kept of why a renewal failed."""


@transaction.atomic
def mark(
    *,
    certificate: Certificate,
    automatic: bool,
    renew_by: datetime | None,
    actor: User,
    request: HttpRequest | None = None,
) -> None:
    """Say whether a machine renews it, and when it is to have done so (aware UTC; None: with a third of its life
    left). One that replaces it is marked likewise."""
    renew_by = renew_by if automatic else None
    Certificate.objects.filter(pk=certificate.pk).update(automatic=automatic, renew_by=renew_by)
    by = renew_by.isoformat(timespec="minutes") if renew_by else ""
    _record("certificate.renewal", certificate, {"automatic": automatic, "by": by}, actor, request)


@transaction.atomic
def failed(*, certificate: Certificate, reason: str, actor: User, request: HttpRequest | None = None) -> None:
    """Count a renewal that failed; the second is mailed. ``reason`` is cut at ERROR, and shown, not mailed."""
    Certificate.objects.filter(pk=certificate.pk).update(
        renewal_failures=F("renewal_failures") + 1,
        renewal_failed_at=timezone.now(),
        renewal_error=one_line(reason, ERROR),
    )
    _record("certificate.renewal-failed", certificate, {"reason": one_line(reason, ERROR)}, actor, request)


@transaction.atomic
def count_anew(*, certificate: Certificate, actor: User, request: HttpRequest | None = None) -> None:
    """Forget the failures: what was wrong is mended."""
    Certificate.objects.filter(pk=certificate.pk).update(renewal_failures=0, renewal_failed_at=None, renewal_error="")
    _record("certificate.renewal-count", certificate, {"failures": certificate.renewal_failures}, actor, request)


def _record(
    action: str, certificate: Certificate, detail: dict[str, object], actor: User, request: HttpRequest | None
) -> None:
    record(
        actor=actor,
        action=action,
        project=certificate.project,
        target=str(certificate),
        detail={"fingerprint": certificate.fingerprint, **detail},
        request=request,
    )
