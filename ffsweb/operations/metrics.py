"""What Prometheus is told of operations that have not ended, how long they wait, and of leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Count, Exists, Min, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from ffsweb.web.metrics import epoch, gauge, single

from . import kinds
from .models import Operation, Question, Sign, Wish
from .states import State
from .tallies import TICK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

WAITING, ASKED, CANCELLING = "waiting", "asked", "cancelling"
SITUATIONS: Final = ("queued", WAITING, "running", "parked", ASKED, CANCELLING)
"""Where an operation stands that has not ended, finer than its state. ``waiting``: for what another holds; ``asked``:
parked with a question that nobody answered."""
OTHER: Final = "other"
"""The kind of operations that this version cannot run: labels come from a fixed list."""


def operations() -> Iterator[Metric]:
    """Two queries."""
    counted, oldest = _situations()
    family = gauge("operations", "Operations that have not ended, by their kind and state.", "kind", "state")
    for kind in (*kinds.registered(), OTHER):
        for situation in SITUATIONS:
            family.add_metric([kind, situation], counted.get((kind, situation), 0))
    yield family
    text = "When the oldest of the operations in this state was asked for; none where there is none."
    family = gauge("operations_oldest_timestamp_seconds", text, "state")
    for situation, moment in sorted(oldest.items()):
        family.add_metric([situation], epoch(moment))
    yield family
    queue = Operation.objects.claimable().aggregate(number=Count("pk"), oldest=Min("created_at"))
    text = "Operations that a worker could take now: the depth of the queue."
    yield single("operations_claimable", text, queue["number"])
    if queue["oldest"] is not None:
        text = "When the oldest operation that a worker could take now was asked for."
        yield single("operations_claimable_oldest_timestamp_seconds", text, epoch(queue["oldest"]))


def leases() -> Iterator[Metric]:
    """Two queries. Moments are the database's, as those of the leases are."""
    running = Operation.objects.filter(state=State.RUNNING)
    found = running.aggregate(
        held=Count("pk", filter=Q(lease_until__gte=Now())),
        lost=Count("pk", filter=Q(lease_until__lt=Now())),
        soonest=Min("lease_until", filter=Q(lease_until__gte=Now())),
    )
    yield single("operations_leases_held", "Running operations whose worker renews its lease.", found["held"])
    text = "Running operations whose worker vanished; another one takes over."
    yield single("operations_leases_lost", text, found["lost"])
    if found["soonest"] is not None:
        left = max(0.0, (found["soonest"] - timezone.now()).total_seconds())
        yield single("operations_lease_left_seconds", "Until the soonest of the held leases would end.", left)
    at = Sign.objects.filter(name=TICK).values_list("at", flat=True).first()
    if at is not None:
        text = "When a worker was last given a tick of the clock: it comes every 15 seconds."
        yield single("tick_timestamp_seconds", text, epoch(at))


def _situations() -> tuple[dict[tuple[str, str], int], dict[str, datetime]]:
    """How many there are by kind and situation, and since when the oldest of each situation. One query."""
    rows = (
        Operation.objects.active()
        .annotate(
            waits=Exists(Wish.objects.filter(operation=OuterRef("pk"))),
            asks=Exists(Question.objects.open().filter(operation=OuterRef("pk"))),
            ending=Q(cancel_requested_at__isnull=False),
        )
        .values_list("kind", "state", "waits", "asks", "ending")
        .annotate(number=Count("pk"), oldest=Min("created_at"))
        .order_by()
    )
    known = set(kinds.registered())
    counted: dict[tuple[str, str], int] = {}
    oldest: dict[str, datetime] = {}
    for kind, state, waits, asks, ending, number, since in rows:
        situation = situation_of(state, waits=waits, asks=asks, cancelling=ending)
        key = (kind if kind in known else OTHER, situation)
        counted[key] = counted.get(key, 0) + number
        oldest[situation] = min(since, oldest.get(situation, since))
    return counted, oldest


def situation_of(state: str, *, waits: bool, asks: bool, cancelling: bool) -> str:
    """Which of SITUATIONS an active operation is in. Pure."""
    if cancelling:
        return CANCELLING
    if state == State.QUEUED and waits:
        return WAITING
    if state == State.PARKED and asks:
        return ASKED
    return str(state)
