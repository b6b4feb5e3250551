"""Watches what services serve: since when it is another certificate than it should be, or was not to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from certificates.core.expiry import Kind
from certificates.models import Alert
from certificates.services import alerts
from deployments.core.health import tcp_ports
from deployments.core.served import MATCH, MISMATCH, UNKNOWN
from deployments.core.served_alarm import after
from deployments.models import Served, ServedWatch, Service
from deployments.models.served_table import ServedRow, served_table
from deployments.models.service import Renewal
from ffsweb.accounts.models import Project
from ffsweb.operations.models import Hold


@dataclass(frozen=True, slots=True)
class _Sight:
    """The certificate that was really seen of late; no fingerprint: none was."""

    fingerprint: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    error: str = ""


def watched_services() -> QuerySet[Service]:
    """Those that are looked at: something runs there, nobody stopped it, and it is to serve a certificate."""
    return Service.objects.with_certificate().filter(live_release__isnull=False, stopped_at=None)


def watch(now: datetime) -> None:
    """Compare what services serve with what they should, and tell the projects where that changes something.

    Eight queries however many services there are, one for each that changed, and ten for each project in trouble.
    """
    known = {each.service_id: each for each in ServedWatch.objects.all()}
    held = set(Hold.objects.values_list("resource", flat=True))
    looks = {each.service_id: each for each in Served.objects.all()}
    with_own = list(watched_services().filter(certificate=None).select_related("node"))
    rows: list[tuple[Service, ServedRow | None]] = [(row.service, row) for row in served_table(watched_services())]
    for service, row in [*rows, *((each, None) for each in with_own)]:
        sight = _sight(looks.get(service.pk))
        remembered = known.get(service.pk) or ServedWatch(service=service)
        state, reason, pending = _judged(row, sight) if row else _of_own(sight)
        held_now = bool(held & {service.resource, service.node.resource})
        watched = after(remembered.watched, state, reason[:600], now, held=held_now, pending=pending)
        remembered.store(watched, **_seen(sight, remembered, now))
    alerts.tell_each(_troubled(), now)


def _sight(look: Served | None) -> _Sight:
    """What whoever comes from outside gets, else what the node sees."""
    views = [view for view in (look.outside, look.inside) if view] if look else []
    for view in views:
        if view.fingerprint and not view.is_old:
            not_before = look.not_before if look and view.fingerprint == look.fingerprint else None
            return _Sight(view.fingerprint, not_before, view.not_after)
    return _Sight(error=next((view.error for view in views if view.error), "nobody looked of late."))


def _judged(row: ServedRow, sight: _Sight) -> tuple[str, str, bool]:
    """What to make of a comparison, why, and whether it is only that nobody deployed what was chosen."""
    state, reason = row.verdict.state, row.verdict.reason
    if row.service.own_renewal == Renewal.MACHINE and sight.fingerprint:
        return MATCH, "", False
    elsewhere = bool(row.server) and row.server != row.local.fingerprint
    if state == MISMATCH and not row.seen and row.server in {None, row.local.fingerprint}:
        return UNKNOWN, reason, False  # it was seen long ago
    if state == UNKNOWN and not tcp_ports(row.service.ports):
        return MATCH, "", False  # there is nothing to look at
    return state, reason, state == MISMATCH and elsewhere and row.seen in {"", row.server}


def _of_own(sight: _Sight) -> tuple[str, str, bool]:
    """A service with no certificate of the inventory may serve which one it likes."""
    if sight.fingerprint:
        return MATCH, "", False
    return UNKNOWN, f"It was not seen what it serves: {sight.error}", False


def _seen(sight: _Sight, remembered: ServedWatch, now: datetime) -> dict[str, Any]:
    if not sight.fingerprint or sight.fingerprint == remembered.fingerprint:
        return {}
    return {
        "fingerprint": sight.fingerprint,
        "not_before": sight.not_before,
        "not_after": sight.not_after,
        "first_seen_at": now,
    }


def _troubled() -> QuerySet[Project]:
    """The projects where something is wrong, or was when they were told last."""
    wrong = ServedWatch.objects.exclude(wrong_since=None, unseen_since=None).values("service__project")
    told = Alert.objects.filter(is_open=True, kind__in=[Kind.MISMATCH, Kind.STALE]).values("project")
    return Project.objects.filter(Q(pk__in=wrong) | Q(pk__in=told))
