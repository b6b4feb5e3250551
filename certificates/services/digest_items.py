"""Open alerts, for the mail a day."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.models import Q
from django.utils import timezone

from certificates.models import Alert
from ffsweb.accounts.models import Project
from ffsweb.notify.digest import Item


def open_alerts(projects: Collection[Project]) -> Iterator[Item]:
    """What was told, is not over and not snoozed; the worst first. One query."""
    now = timezone.now()
    rows = Alert.objects.in_projects(projects).filter(is_open=True)
    rows = rows.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now)).order_by("-rung", "told_at", "pk")
    for alert in rows:
        certificate = alert.certificate
        end = f"until {certificate.not_after:%Y-%m-%d %H:%M} UTC" if certificate else alert.reason
        who = f"{alert.acknowledged_by} looks after it" if alert.acknowledged_at else "nobody looks after it yet"
        label = f"Certificate {alert.name}" if certificate else alert.name
        yield Item(alert.of_project, label, f"{alert.words}; {end}; {who}")
