"""Watches what services serve: a certificate that is not the right one, or that nobody could see, is mailed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Q, QuerySet

from certificates.core.expiry import Kind
from certificates.core.subjects import Subject
from certificates.models import Alert, Looked
from certificates.services import alerts
from deployments.core.health import tcp_ports
from deployments.core.served import FRONT, MATCH, MISMATCH, UNKNOWN
from deployments.core.served_alarm import after, is_unseen, is_wrong
from deployments.models import ServedWatch, Service
from deployments.models.served_table import ServedRow, served_table
from ffsweb.accounts.models import Project
from ffsweb.operations.models import Hold

_WRONG_TODO = (
    "See the service's page for which certificate is where. If its application did not load the new file, restart "
    "it; if another certificate was chosen, rotate the service to it; if something else answers on its port, mend it."
)
_UNSEEN_TODO = (
    "See whether the node is up and can be read, and whether the dashboard reaches the service's port. Until then "
    "nobody knows which certificate is served. If that is as it should be, acknowledge it."
)


def watch(now: datetime) -> None:
    """Compare what services serve with what they should, and tell the projects where that changes something.

    Seven queries however many services there are, one for each that changed, and ten for each project in trouble.
    """
    rows = served_table(_watched())
    known = {each.service_id: each for each in ServedWatch.objects.all()}
    held = set(Hold.objects.values_list("resource", flat=True))
    for row in rows:
        service = row.service
        state, pending = _state(row)
        remembered = known.get(service.pk) or ServedWatch(service=service)
        remembered.store(
            after(
                remembered.watched,
                state,
                row.verdict.reason[:600],
                now,
                held=bool(held & {service.resource, service.node.resource}),
                pending=pending,
            )
        )
    alerts.tell_each(_troubled(), now)


def subjects(project: Project, now: datetime) -> Iterable[Subject]:
    """What may be told of the services of ``project``: a source of ``alerts``. Three queries."""
    running = Looked.since(now)
    rows = ServedWatch.objects.filter(service__in=_watched().filter(project=project, certificate__isnull=False))
    for row in rows.select_related("service__node", "service__project", "service__certificate"):
        service, watched = row.service, row.watched
        certificate = service.certificate
        label, path = str(service), service.get_absolute_url()
        should = f"it should serve {certificate} ({certificate.fingerprint[:16]}…)" if certificate else ""
        yield Subject(
            Kind.MISMATCH,
            f"service:{service.pk}",
            label,
            path,
            facts=_facts(watched.wrong, should, watched.wrong_since),
            todo=_WRONG_TODO,
            holds=is_wrong(watched, now, running=running),
            begins="serves another certificate than it should",
            ends="serves the right certificate again",
        )
        yield Subject(
            Kind.STALE,
            f"service:{service.pk}",
            label,
            path,
            facts=_facts(watched.unseen, should, watched.unseen_since),
            todo=_UNSEEN_TODO,
            holds=is_unseen(watched, now, running=running),
            begins="could not be asked for half a day which certificate it serves",
            ends="shows its certificate again",
        )


def _watched() -> QuerySet[Service]:
    return Service.objects.filter(live_release__isnull=False, stopped_at=None)


def _state(row: ServedRow) -> tuple[str, bool]:
    """What to make of a comparison, and whether the difference is only that nobody deployed what was chosen."""
    seen = row.seen
    if row.verdict.state == FRONT:
        return MISMATCH, False  # whoever comes from outside gets another certificate than the service's
    if row.verdict.state == MISMATCH:
        if row.server and row.server != row.local.fingerprint and seen in {"", row.server}:
            return MISMATCH, True
        return (MISMATCH if seen or row.server != row.local.fingerprint else UNKNOWN), False
    if row.verdict.state == UNKNOWN and not tcp_ports(row.service.ports):
        return MATCH, False  # there is nothing to look at
    return row.verdict.state, False


def _troubled() -> QuerySet[Project]:
    """The projects where something is wrong, or was when they were told last."""
    wrong = ServedWatch.objects.exclude(wrong_since=None, unseen_since=None).values("service__project")
    told = Alert.objects.filter(is_open=True, kind__in=[Kind.MISMATCH, Kind.STALE]).values("project")
    return Project.objects.filter(Q(pk__in=wrong) | Q(pk__in=told))


def _facts(reason: str, should: str, since: datetime | None) -> str:
    when = f"since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if since else ""
    return "; ".join(part for part in (reason.rstrip("."), should, when) if part)
