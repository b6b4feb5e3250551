"""Tells people what nears its end, once, and remembers it; people acknowledge and snooze."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from certificates.core.expiry import BEGINS, LONGEST_SNOOZE, Facts, Kind, Told, Word, decide
from certificates.models import Alert, Certificate
from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.notify import kinds
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients

from .expiry_letter import News, letter

KIND = kinds.Kind(
    "certificate",
    "A certificate nears its end",
    "30, 14, 7, 3 and 1 days before it expires, not before half of its life; when it has expired; and when a "
    "replacement put an end to it. Each once.",
)
SLOTS = 6
"""Projects are looked at in one part of each hour, so that not all are at once."""


class Changed(ValueError):
    """The alert is not as it was shown."""


def look(now: datetime) -> None:
    """Tell the projects whose moment of the hour it is what there is to tell. A query, and six or so for each.

    What cannot be told of one project (a fault that is raised at the end) keeps nothing from the others.
    """
    faults: list[Exception] = []
    due = _concerned(now).values_list("project", flat=True).order_by().distinct()
    slot = now.minute * SLOTS // 60
    for project in Project.objects.filter(pk__in=[pk for pk in due if pk % SLOTS == slot]):
        try:
            tell(project, now)
        except Exception as error:  # noqa: BLE001 - the others are to be told first
            faults.append(error)
    if faults:
        raise faults[0]


def tell(project: Project, now: datetime) -> int:
    """Write one mail with all that there is to tell of ``project``; how many certificates are in it.

    One transaction: what was told is remembered with the mail, or neither is. Of two workers one tells.
    """
    with transaction.atomic():
        known = {alert.certificate_id: alert for alert in _alerts(project)}
        told = [
            (row, word)
            for row in _concerned(now).filter(project=project)
            if (word := _word(row, known.get(row.pk), now)) and _remember(row, word, known.get(row.pk), now)
        ]
        if told:
            news = [_news(row, word) for row, word in told]
            queue(
                letter(project.name, news, path=reverse("certificates:alerts", args=[project.name]), now=now),
                to=recipients(project, KIND.name),
                key=_key(project, told),
                kind=KIND.name,
                project=project,
            )
    return len(told)


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
    """Nothing more of it for ``days`` (1 to 30), but that it has expired; raises Changed."""
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
        certificate = alert.certificate
        record(
            actor=actor,
            action=action,
            project=certificate.project,
            target=str(certificate),
            detail={"fingerprint": certificate.fingerprint, "kind": alert.kind, **detail},
            request=request,
        )


def _concerned(now: datetime) -> QuerySet[Certificate]:
    """The certificates of which there may be something to tell, with ``is_replaced``."""
    newer = Certificate.objects.filter(replaces=OuterRef("pk"), not_after__gt=now)
    being_told = Alert.objects.filter(is_open=True).values("certificate")
    return (
        Certificate.objects.filter(Q(not_after__lte=now + BEGINS) | Q(pk__in=being_told))
        .annotate(is_replaced=Exists(newer))
        .defer("chain_pem", "sealed_key", "sealed_passphrase")
        .select_related("project")
        .prefetch_related("services__node")
        .order_by("not_after", "pk")
    )


def _alerts(project: Project) -> QuerySet[Alert]:
    return Alert.objects.filter(certificate__project=project, kind=Kind.EXPIRY)


def _word(row: Certificate, alert: Alert | None, now: datetime) -> Word | None:
    gone = row.is_replaced and not row.services.all()  # type: ignore[attr-defined]
    return decide(Facts(row.not_before, row.not_after, gone=gone), alert.told if alert else Told(), now)


def _remember(row: Certificate, word: Word, alert: Alert | None, now: datetime) -> bool:
    """Whether it is for this worker to tell: another one may have been faster."""
    if alert is None:
        alert, _ = Alert.objects.get_or_create(certificate=row, kind=Kind.EXPIRY)
        if alert.rung >= word.rung:
            return False
    if word.over:
        return Alert.objects.change(alert, is_open=False, ended_at=now)
    return Alert.objects.change(alert, rung=int(word.rung), is_open=True, told_at=now, ended_at=None)


def _news(row: Certificate, word: Word) -> News:
    return News(
        label=row.label,
        names=tuple(row.names),
        not_after=row.not_after,
        fingerprint=row.fingerprint,
        users=tuple(str(service) for service in row.services.all()),
        path=row.get_absolute_url(),
        word=word,
        has_newer=row.is_replaced,  # type: ignore[attr-defined]
    )


def _key(project: Project, told: Iterable[tuple[Certificate, Word]]) -> str:
    """Names the event: each certificate with what is told of it."""
    parts = sorted(f"{row.pk}:{int(word.rung)}:{word.over}" for row, word in told)
    return f"certificates:{project.pk}:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"
