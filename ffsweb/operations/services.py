"""What the rest of the program asks of operations: enqueue one, cancel it, let it go on, send what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest

from ffsweb.accounts.models import Project, User
from ffsweb.audit import services as audit
from ffsweb.web import request_ids

from . import ending, messages, restored, tallies, waiting, wakeup
from .contract import Outcome, Target
from .errors import Busy, NotPossible
from .limits import RESEND_AFTER
from .models import Operation, OperationTarget
from .states import State, Stream

__all__ = ["Busy", "NotPossible", "Target", "cancel", "enqueue", "resume", "tick"]

logger = structlog.get_logger(__name__)
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
    wait: bool = False,
) -> Operation:
    """Put an operation into the queue, holding ``holds`` from now until it ends. Part of the caller's transaction.

    ``actor`` None: the dashboard itself. If one of ``holds`` is held, or somebody waits for it: raises Busy, with
    nothing written; or, with ``wait``, the operation holds nothing and is not begun before it can have all of them,
    in the order of asking (see ``waiting``). The worker is told when the transaction is committed, or when its turn
    comes. The audit event of the request is the caller's. Eight queries.
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
            request_id=request_ids.current(),
        )
        OperationTarget.objects.bulk_create(
            OperationTarget(operation=operation, key=target.key, label=target.label[:200]) for target in targets
        )
        if waiting.take(operation, holds, wait=wait):
            messages.send_on_commit(operation.pk)
        transaction.on_commit(
            partial(logger.info, "operation_asked", operation=operation.pk, kind=kind, project=project.name)
        )
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

    This is what makes the broker expendable: messages may be lost, doubled or flushed. Those that wait for something
    that is free get it here too, should nobody have given it to them. A restored database waits.
    """
    tallies.ticked()
    if restored.waits():
        return 0
    waiting.serve_late()
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
