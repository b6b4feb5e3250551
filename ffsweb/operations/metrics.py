"""What Prometheus is told of operations: how many wait and run, and whether a worker vanished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Min
from django.db.models.functions import Now

from ffsweb.web.metrics import epoch, gauge

from .models import Operation
from .states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

ACTIVE = (State.QUEUED, State.RUNNING, State.PARKED)


def operations() -> Iterator[Metric]:
    """Three queries."""
    active = Operation.objects.active()
    counted = dict(active.values_list("state").annotate(number=Count("pk")).order_by())
    family = gauge("operations", "Operations that have not ended, by their state.", "state")
    for state in ACTIVE:
        family.add_metric([str(state)], counted.get(str(state), 0))
    yield family
    queue = Operation.objects.claimable().aggregate(number=Count("pk"), oldest=Min("created_at"))
    text = "Operations that a worker could take now: the depth of the queue."
    yield _one("operations_claimable", text, queue["number"])
    if queue["oldest"] is not None:
        text = "When the oldest operation that a worker could take now was asked for."
        yield _one("operations_claimable_oldest_timestamp_seconds", text, epoch(queue["oldest"]))
    lost = active.filter(state=State.RUNNING, lease_until__lt=Now()).count()
    yield _one("operations_leases_lost", "Running operations whose worker vanished; another one takes over.", lost)


def _one(name: str, text: str, value: float) -> Metric:
    family = gauge(name, text)
    family.add_metric([], value)
    return family
