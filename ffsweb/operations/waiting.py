"""What operations have for themselves, and who waits for it.

Resources are taken all together or not at all. Who waits holds nothing, so no two operations can wait for each other;
it is served in the order of asking, and nobody takes what an operation that asked before still waits for. Whoever
takes, awaits or gives back locks one row first: what was free a moment ago is free when it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from . import messages, naming, wakeup
from .errors import Busy
from .holds import Hold, Turnstile, Wish
from .loglines import add_line
from .models import Operation
from .states import State

READY = "All that it waited for is free now."


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why ``resource`` (``label`` for people) cannot be had: ``operation`` has it, or ``waits`` for it, ``since``."""

    resource: str
    label: str
    operation: Operation
    since: datetime
    waits: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """Why an operation has to wait, by resource; ``before``: how many that asked earlier wait for the same."""

    obstacles: tuple[Obstacle, ...]
    before: int


def take(operation: Operation, resources: Iterable[str], *, wait: bool) -> bool:
    """Give ``operation`` all of ``resources`` until it ends, inside the transaction that makes it.

    Whether it has them now. If not all are free, it waits for all (``wait``), and has none; without ``wait``, Busy.
    Four queries; some more if it has to wait or is refused.
    """
    wanted = sorted(set(resources))
    if not wanted:
        return True
    _lock()
    found = _first_obstacle(wanted, operation)
    if found is None:
        Hold.objects.bulk_create(Hold(resource=resource, operation=operation) for resource in wanted)
        return True
    busy = _busy(found, before=Wish.objects.filter(resource__in=wanted).values("operation").distinct().count())
    if not wait:
        raise busy
    Wish.objects.bulk_create(Wish(resource=resource, operation=operation) for resource in wanted)
    add_line(operation.pk, f"Waits for its turn: {busy.reason}")
    return False


def give_back(operation: Operation) -> None:
    """Take from ``operation``, which ends in this transaction, what it has and waits for; whoever is next gets it.

    Two queries; three more, and six for each operation that is served, if it had or wanted anything.
    """
    had, _ = Hold.objects.filter(operation=operation).delete()
    wanted, _ = Wish.objects.filter(operation=operation).delete()
    if had or wanted:
        serve()


def serve() -> int:
    """Give what is free to those who wait for it; how many were served. To be called inside a transaction.

    One whose row is locked is left where it is in the queue: somebody cancels it, or the tick comes back to it.
    """
    _lock()
    waiting: dict[int, list[str]] = {}
    for operation_id, resource in Wish.objects.order_by("pk").values_list("operation_id", "resource"):
        waiting.setdefault(operation_id, []).append(resource)
    if not waiting:
        return 0
    taken = set(Hold.objects.values_list("resource", flat=True))
    served = 0
    for operation_id, wanted in waiting.items():
        if taken.isdisjoint(wanted):
            served += _serve_one(operation_id, wanted)
        taken.update(wanted)  # served or not: nobody behind it may have them
    return served


def serve_late() -> int:
    """The same for the tick: for what was freed in another way, as by the removal of a project. Mostly one query."""
    if not Wish.objects.exists():
        return 0
    with transaction.atomic():
        return serve()


def turn_of(operation: Operation) -> Turn | None:
    """What ``operation`` waits for; None if it waits for nothing that somebody has. Four queries, and its labels'."""
    wishes = list(operation.wishes.all())
    if not wishes:
        return None
    wanted = [wish.resource for wish in wishes]
    earlier = list(Wish.objects.filter(resource__in=wanted, pk__lt=wishes[0].pk).select_related("operation"))
    found: dict[str, Hold | Wish] = {wish.resource: wish for wish in reversed(earlier)}
    found.update(
        {hold.resource: hold for hold in Hold.objects.filter(resource__in=wanted).select_related("operation")}
    )
    if not found:
        return None
    obstacles = _named([found[resource] for resource in sorted(found)], operation)
    return Turn(obstacles, before=len({wish.operation_id for wish in earlier}))


def _lock() -> None:
    """Until the transaction ends (SQLite: the whole database is locked, by BEGIN IMMEDIATE)."""
    Turnstile.objects.get_or_create(pk=1)
    Turnstile.objects.select_for_update().get(pk=1)


def _serve_one(operation_id: int, wanted: list[str]) -> int:
    # Never waiting for the row: who has it may be waiting for the turnstile.
    rows = Operation.objects.select_for_update(skip_locked=True, no_key=True)
    row = rows.filter(pk=operation_id, state=State.QUEUED).first()
    if row is None:
        return 0
    Wish.objects.filter(operation=row).delete()
    Hold.objects.bulk_create(Hold(resource=resource, operation=row) for resource in wanted)
    add_line(row.pk, READY)
    Operation.objects.filter(pk=row.pk).update(sent_at=Now(), revision=F("revision") + 1)
    messages.send_on_commit(row.pk)
    transaction.on_commit(partial(wakeup.publish, row.pk))
    return 1


def _first_obstacle(wanted: list[str], operation: Operation) -> Obstacle | None:
    """A resource that is held, else one that somebody waits for; named, if there is one."""
    held = Hold.objects.filter(resource__in=wanted).select_related("operation").order_by("resource").first()
    row = held or Wish.objects.filter(resource__in=wanted).select_related("operation").order_by("pk").first()
    return _named([row], operation)[0] if row else None


def _named(rows: list[Hold | Wish], operation: Operation) -> tuple[Obstacle, ...]:
    operations = {operation.pk, *(row.operation_id for row in rows)}
    names = naming.names_of([row.resource for row in rows], operations=operations)
    return tuple(
        Obstacle(row.resource, names[row.resource], row.operation, row.since, waits=isinstance(row, Wish))
        for row in rows
    )


def _busy(found: Obstacle, *, before: int) -> Busy:
    return Busy(
        resource=found.resource,
        label=found.label,
        holder_id=found.operation.pk,
        holder_title=found.operation.title,
        actor=found.operation.actor_name,
        since=found.since,
        waits=found.waits,
        before=before,
    )
