"""People say that they look after what was told, or that they want to hear of it later."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from certificates.core.expiry import LONGEST_SNOOZE
from certificates.models import Alert
from ffsweb.accounts.models import User
from ffsweb.audit.services import record


class Changed(ValueError):
    """The alert is not as it was shown."""


def acknowledge(*, alert: Alert, actor: User, request: HttpRequest | None = None) -> None:
    """Somebody looks after it; raises Changed if it went further meanwhile."""
    _change(
        alert,
        "certificate.acknowledge",
        {"rung": alert.words},
        actor,
        request,
        acknowledged_at=timezone.now(),
        acknowledged_by=actor.get_username(),
    )


def snooze(*, alert: Alert, days: int, actor: User, request: HttpRequest | None = None) -> None:
    """Nothing more of it for ``days`` (1 to 30), but that it has expired and that it is over; raises Changed."""
    if not 1 <= days <= LONGEST_SNOOZE.days:
        raise ValueError(f"days must be from 1 to {LONGEST_SNOOZE.days}")
    until = timezone.now() + timedelta(days=days)
    _change(
        alert,
        "certificate.snooze",
        {"until": until.isoformat(timespec="minutes")},
        actor,
        request,
        snoozed_until=until,
    )


def _change(
    alert: Alert, action: str, detail: dict[str, str], actor: User, request: HttpRequest | None, **values: object
) -> None:
    with transaction.atomic():
        if not alert.is_open or not Alert.objects.change(alert, **values):
            raise Changed("It changed meanwhile. Nothing was noted: look at it again.")
        if alert.certificate is not None:
            detail = {"fingerprint": alert.certificate.fingerprint, **detail}
        record(
            actor=actor,
            action=action,
            project=alert.of_project,
            target=alert.name,
            detail={"kind": alert.kind, **detail},
            request=request,
        )
