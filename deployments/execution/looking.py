"""Now and then it is looked at the certificate that each service really serves: by the dashboard, and by its node."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from deployments.core.served import ports_of, server_name
from deployments.execution.connection import NodeLogin
from deployments.execution.served_node import looks_from
from deployments.execution.served_probe import Look, look
from deployments.models import Served, Service
from deployments.models.served import ERROR, EVERY
from ffsweb.operations.stopping import process
from ffsweb.remote import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

JITTER = 0.2
AT_ONCE = 32
"""Handshakes of the dashboard and connections to nodes together."""
MOST = 200
"""Services that one tick looks at; those that wait the longest first."""
BUDGET = 45.0
"""Seconds of one tick: what is left is due at the next."""
STORED = 0.25
"""Seconds for which what was seen is gathered before it is stored, all of it in one transaction."""
OUTSIDE, INSIDE = "", "node_"
"""The sides, by how their fields of ``Served`` begin."""

Saw = list[tuple[Service, Look]]


def due(now: datetime) -> list[Service]:
    """Services with a certificate and a live release that nobody looked at for a while. Two queries."""
    eldest = now - EVERY * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - spreads load, no secret
    rows = Service.objects.with_certificate().filter(live_release__isnull=False, stopped_at=None)
    never = Q(served__at__isnull=True) | Q(served__node_at__isnull=True)  # so it is if there is no row, too
    rows = rows.filter(never | Q(served__at__lt=eldest) | Q(served__node_at__lt=eldest))
    return _loaded(rows.order_by(F("served__at").asc(nulls_first=True), "pk")[:MOST])


def look_at_due() -> int:
    """Look at the due services; how many it were. Ends within ``BUDGET`` seconds, or early when the worker stops."""
    return look_at(due(timezone.now()), seconds=BUDGET)


def look_now(keys: Iterable[int], *, seconds: float) -> int:
    """Look at the services of these keys at once, as ``look_at`` does."""
    return look_at(_loaded(Service.objects.filter(pk__in=list(keys))), seconds=seconds)


def look_at(services: list[Service], *, seconds: float) -> int:
    """Look at services of ``due`` from both sides, a bounded number at a time, and keep what was seen.

    Each node is connected to once, whatever it runs. Returns how many services something was seen of.
    """
    if not services:
        return 0
    stop, ends, seen = threading.Event(), time.monotonic() + seconds, set()
    nodes: dict[int, list[Service]] = {}
    for service in services:
        nodes.setdefault(service.node_id, []).append(service)
    with ThreadPoolExecutor(min(AT_ONCE, len(services) + len(nodes)), "looking") as pool:
        begun: dict[Future[Saw], str] = {}
        for there in nodes.values():
            begun[pool.submit(_inside, NodeLogin(there[0].node), there, stop)] = INSIDE
            begun.update({pool.submit(_outside, service, stop): OUTSIDE for service in there})
        waiting = set(begun)
        while waiting:
            done, waiting = wait(waiting, timeout=STORED)
            if (process.stopping or time.monotonic() > ends) and not stop.is_set():
                stop.set()
                waiting = {future for future in waiting if not future.cancel()}
            for side in (OUTSIDE, INSIDE):
                saw = [
                    each
                    for future in done
                    if begun[future] == side and not future.cancelled()
                    for each in future.result()
                ]
                seen |= keep(saw, side)
    return len(seen)


def keep(saw: Saw, side: str = OUTSIDE) -> set[int]:
    """Remember what one side saw, in one transaction; the keys of the services that are still there. Two queries."""
    if not saw:
        return set()
    at = timezone.now()
    with transaction.atomic():
        # Locked, so that none is removed between the two queries.
        rows = Service.objects.select_for_update().filter(pk__in=[service.pk for service, _ in saw])
        there = set(rows.order_by("pk").values_list("pk", flat=True))
        rows_of = [
            Served(service_id=service.pk, **_fields(look, side, at)) for service, look in saw if service.pk in there
        ]
        if rows_of:
            Served.objects.bulk_create(
                rows_of, update_conflicts=True, unique_fields=["service"], update_fields=_names(side)
            )
    return there


def _fields(look: Look, side: str, at: datetime) -> dict[str, object]:
    values = (at, look.port, look.fingerprint, look.not_after, look.error[:ERROR], look.not_before)
    return dict(zip(_names(side), values, strict=False))


def _names(side: str) -> list[str]:
    names = [f"{side}{name}" for name in ("at", "port", "fingerprint", "not_after", "error")]
    return [*names, "not_before"] if side == OUTSIDE else names  # only the dashboard reads when it begins


def look_again(service: Service) -> None:
    """Let the next tick look at ``service``: what it serves may have changed. One query."""
    Served.objects.filter(service_id=service.pk).delete()


def _loaded(rows: QuerySet[Service]) -> list[Service]:
    return list(rows.select_related("node", "certificate").prefetch_related("node__host_keys"))


def _outside(service: Service, stop: threading.Event) -> Saw:
    names = service.certificate.names if service.certificate else []
    ports = ports_of(service.ports, service.health_check)
    try:
        return [(service, look(service.node.address, ports, name=server_name(names), stop=stop))]
    except Interrupted:
        return []


def _inside(login: NodeLogin, services: list[Service], stop: threading.Event) -> Saw:
    return list(zip(services, looks_from(login, services, stop=stop), strict=False))
