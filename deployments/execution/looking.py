"""Now and then it is looked at the certificate that each service really serves: by the dashboard, and by its node."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

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
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            if (process.stopping or time.monotonic() > ends) and not stop.is_set():
                stop.set()
                waiting = {future for future in waiting if not future.cancel()}
            for future in done:
                for service, saw in () if future.cancelled() else future.result():
                    keep(service, saw, begun[future])
                    seen.add(service.pk)
    return len(seen)


def keep(service: Service, saw: Look, side: str = OUTSIDE) -> None:
    """Remember what one side saw. Two queries, three if the service was removed meanwhile."""
    if not Service.objects.filter(pk=service.pk).exists():
        return
    fields = {
        "at": timezone.now(),
        "port": saw.port,
        "fingerprint": saw.fingerprint,
        "not_after": saw.not_after,
        "error": saw.error[:ERROR],
    }
    defaults = {f"{side}{name}": value for name, value in fields.items()}
    if side == OUTSIDE:
        defaults["not_before"] = saw.not_before
    Served.objects.update_or_create(service_id=service.pk, defaults=defaults)


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
