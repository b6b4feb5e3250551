"""What the rest of the program asks of operations: enqueue one, cancel it, let it go on, send what is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest

from ffsweb.accounts.models import Project, User
from ffsweb.audit import services as audit

from . import ending, messages, wakeup
from .contract import Outcome, Target
from .errors import Busy, NotPossible
from .limits import RESEND_AFTER
from .models import Hold, Operation, OperationTarget
from .states import State, Stream

__all__ = ["Busy", "NotPossible", "Target", "cancel", "enqueue", "resume", "tick"]

TICK_BATCH = 500


def enqueue(
    *,
    kind: str,
    project: Project,
    actor: User | None,
    title: str,
    params: dict[str, Any],
    targets: Sequence[Target],
    holds: Sequence[str],
    plan_hash: str = "",
) -> Operation:
    """Put an operation into the queue, holding ``holds`` from now until it ends. Part of the caller's transaction.

    ``actor`` None: the dashboard itself. Raises Busy, with nothing written, if one of ``holds`` is held. The worker
    is told when the transaction is committed. The audit event of the request is the caller's. Five queries.
    """
    with transaction.atomic():
        operation = Operation.objects.create(
            kind=kind,
            project=project,
            actor=actor,
            actor_name=_name(actor),
            title=title[:200],
            params=params,
            plan_hash=plan_hash,
        )
        OperationTarget.objects.bulk_create(
            OperationTarget(operation=operation, key=target.key, label=target.label[:200]) for target in targets
        )
        _hold(operation, holds)
        messages.send_on_commit(operation.pk)
    return operation


def cancel(operation: Operation, *, actor: User | None, request: HttpRequest | None = None) -> None:
    """Cancel ``operation``: at once if it has done nothing yet, else as soon as its run notices (2 s).

    A waiting operation that has begun is woken, so that its kind can leave the nodes on old or new and say which.
    Cancelling twice is the same as once. Raises NotPossible if it has ended.
    """
    name = _name(actor)
    with transaction.atomic():
        row = Operation.objects.select_for_update().get(pk=operation.pk)
        if row.finished:
            msg = f"“{row.title}” has ended already ({row.condition.label.lower()}); there is nothing to cancel."
            raise NotPossible(msg)
        if row.cancel_requested_at is not None:
            return
        Operation.objects.filter(pk=row.pk).update(
            cancel_requested_at=Now(), cancel_requested_by=name, revision=F("revision") + 1
        )
        if row.state == State.RUNNING:
            pass  # its run looks at the row every moment
        elif row.steps.exists():
            Operation.objects.filter(pk=row.pk).update(resume_at=Now())
            messages.send_on_commit(row.pk)
        else:
            ending.finish(row, Outcome(State.CANCELLED, f"{name} cancelled it. Nothing was changed."))
        transaction.on_commit(partial(wakeup.publish, row.pk))
        audit.record(
            actor=actor,
            action="operation.cancel",
            project=row.project,
            target=row.title,
            detail={"operation": row.pk},
            request=request,
        )


def resume(operation: Operation, *, actor: User | None) -> None:
    """Let a waiting operation go on now. Raises NotPossible if it does not wait, or waits for an answer."""
    with transaction.atomic():
        row = Operation.objects.select_for_update().get(pk=operation.pk)
        if row.state != State.PARKED:
            msg = f"“{row.title}” is not waiting; it is {row.condition.label.lower()}."
            raise NotPossible(msg)
        if row.questions.open().exists():
            msg = f"“{row.title}” waits for an answer; give it one, or cancel it."
            raise NotPossible(msg)
        name = _name(actor)
        ending.add_line(row.pk, f"{name} lets it go on.", stream=Stream.INFO)
        Operation.objects.filter(pk=row.pk).update(resume_at=Now())
        messages.send_on_commit(row.pk)
        transaction.on_commit(partial(wakeup.publish, row.pk))


def tick() -> int:
    """Send again what a worker could claim and nobody was told of lately; how many that were.

    This is what makes the broker expendable: messages may be lost, doubled or flushed.
    """
    after = timedelta(seconds=RESEND_AFTER)
    due = list(
        Operation.objects.all().to_be_sent(after=after).order_by("pk").values_list("pk", flat=True)[:TICK_BATCH]
    )
    sent = 0
    for operation_id in due:
        # By compare-and-swap: of two ticks at once, one sends.
        mine = Operation.objects.filter(pk=operation_id).to_be_sent(after=after).update(sent_at=Now())
        if mine:
            if not messages.send(operation_id):
                break  # the broker is away, for the others too
            sent += 1
    return sent


def _name(actor: User | None) -> str:
    return actor.get_username() if actor else audit.SYSTEM


def _hold(operation: Operation, resources: Iterable[str]) -> None:
    # Sorted, so that two operations that want the same things cannot wait for each other.
    wanted = sorted(set(resources))
    for _ in range(3):
        try:
            with transaction.atomic():
                Hold.objects.bulk_create(Hold(resource=resource, operation=operation) for resource in wanted)
        except IntegrityError:
            held = Hold.objects.filter(resource__in=wanted).select_related("operation").order_by("resource").first()
            if held is not None:
                raise _busy(held) from None
            # Its holder ended between the two queries: try again.
        else:
            return
    msg = "What this needs is changing hands faster than it can be taken. Nothing was started; try again."
    raise NotPossible(msg)


def _busy(held: Hold) -> Busy:
    target = held.operation.targets.filter(key=held.resource).first()
    return Busy(
        resource=held.resource,
        label=target.label if target else held.resource,
        holder_id=held.operation_id,
        holder_title=held.operation.title,
        actor=held.operation.actor_name,
        since=held.since,
    )
