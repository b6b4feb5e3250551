"""The dashboard looks, now and then, at the certificate that each service really serves."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils import timezone

from deployments.core.served import ports_of, server_name
from deployments.execution.served_probe import Look, look
from deployments.models import Served, Service
from deployments.models.served import EVERY
from ffsweb.operations.stopping import process
from ffsweb.remote import Interrupted

if TYPE_CHECKING:
    from datetime import datetime

JITTER = 0.2
AT_ONCE = 16
MOST = 200
"""Services that one tick looks at; those that wait the longest first."""
BUDGET = 45.0
"""Seconds of one tick: what is left is due at the next."""


def due(now: datetime) -> list[Service]:
    """Services with a certificate and a live release that nobody looked at for a while. One query."""
    eldest = now - EVERY * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - spreads load, no secret
    rows = Service.objects.filter(certificate__isnull=False, live_release__isnull=False, stopped_at=None)
    rows = rows.filter(Q(served__isnull=True) | Q(served__at__lt=eldest))
    order = F("served__at").asc(nulls_first=True)
    return list(rows.select_related("node", "certificate").order_by(order, "pk")[:MOST])


def look_at_due() -> int:
    """Look at the due services, a bounded number at a time, and keep what was seen; how many that were.

    Ends within ``BUDGET`` seconds, or early when the worker stops.
    """
    services, stop = due(timezone.now()), threading.Event()
    if not services:
        return 0
    ends, count = time.monotonic() + BUDGET, 0
    with ThreadPoolExecutor(min(AT_ONCE, len(services)), "looking") as pool:
        begun: dict[Future[Look], Service] = {pool.submit(_look, service, stop): service for service in services}
        waiting = set(begun)
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            if (process.stopping or time.monotonic() > ends) and not stop.is_set():
                stop.set()
                waiting = {future for future in waiting if not future.cancel()}
            for future in done:
                if not future.cancelled() and not isinstance(future.exception(), Interrupted):
                    keep(begun[future], future.result())
                    count += 1
    return count


def keep(service: Service, seen: Look) -> None:
    """Remember what was seen. Two queries, three if the service was removed meanwhile."""
    if not Service.objects.filter(pk=service.pk).exists():
        return
    Served.objects.update_or_create(
        service_id=service.pk,
        defaults={
            "at": timezone.now(),
            "port": seen.port,
            "fingerprint": seen.fingerprint,
            "not_after": seen.not_after,
            "error": seen.error[:500],
        },
    )


def look_again(service: Service) -> None:
    """Let the next tick look at ``service``: what it serves may have changed. One query."""
    Served.objects.filter(service_id=service.pk).delete()


def _look(service: Service, stop: threading.Event) -> Look:
    names = service.certificate.names if service.certificate else []
    ports = ports_of(service.ports, service.health_check)
    return look(service.node.address, ports, name=server_name(names), stop=stop)
