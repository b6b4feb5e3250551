"""Ending an operation: its row, targets, holds, last line and audit event in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from ffsweb.audit import services as audit

from . import waiting
from .contract import Outcome
from .limits import RESEND_AFTER
from .loglines import add_line, last_number
from .models import Operation, OperationTarget, Question
from .states import State, Stream, may_follow, of_target_at_the_end, severity

__all__ = ["AskHook", "EndHook", "add_line", "ask_hooks", "end_hooks", "finish", "last_number", "park"]

EndHook = Callable[[Operation, Outcome], None]

end_hooks: list[EndHook] = []
"""Each is told, inside the transaction, of an operation that has just ended: its row's fields are those from before,
its targets are settled. What a hook writes is kept with the end, or neither is; so it waits for nothing, and raises
only what the database does. Apps append theirs in ``AppConfig.ready()``.
"""

AskHook = Callable[[Operation, Question], None]

ask_hooks: list[AskHook] = []
"""Each is told, inside the transaction, of a question that has just been asked; the same counts for them."""


def finish(operation: Operation, outcome: Outcome) -> None:
    """End ``operation``, whose row the caller has locked in this transaction. Raises ValueError if it cannot end.

    What it held goes to those who wait for it. The end of what a person asked for goes into the audit log too. About
    twelve queries, and those of ``end_hooks``.
    """
    if not may_follow(operation.condition, outcome.state):
        msg = f"operation {operation.pk} is {operation.state} and cannot become {outcome.state}"
        raise ValueError(msg)
    add_line(operation.pk, f"{outcome.state.label}. {outcome.message}".strip(), stream=severity(outcome.state))
    for target in operation.targets.all():
        state, message = of_target_at_the_end(target.condition, outcome.state)
        if state != target.state:
            OperationTarget.objects.filter(pk=target.pk).update(state=state, message=target.message or message)
    Operation.objects.filter(pk=operation.pk).update(
        state=outcome.state,
        message=outcome.message,
        finished_at=Now(),
        lease_holder="",
        lease_until=None,
        resume_at=None,
        parked_reason="",
        revision=F("revision") + 1,
    )
    waiting.give_back(operation)
    for hook in end_hooks:
        hook(operation, outcome)
    if operation.actor_name != audit.SYSTEM:  # what the dashboard does by itself would drown the rest
        audit.record(
            actor=None,
            action="operation.end",
            project=operation.project,
            target=operation.title,
            detail={
                "operation": operation.pk,
                "kind": operation.kind,
                "asked_by": operation.actor_name,
                "state": str(outcome.state),
                "message": outcome.message,
            },
        )


def park(operation: Operation, *, reason: str, seconds: float | None, question: str = "") -> None:
    """Put a running ``operation`` aside for ``seconds``: lease released, holds kept. The caller has locked the row.

    Without ``seconds`` until somebody answers its ``question``. If one did in the meantime, or cancelled it, it goes
    on at once: whoever answers or cancels locks the row too, so nobody is overlooked.
    """
    answered = question and not Question.objects.open().filter(operation=operation, name=question).exists()
    if operation.cancel_requested_at is not None or answered:
        seconds = 0.0
    add_line(operation.pk, f"Parked: {reason}{'' if reason.endswith('?') else '.'}", stream=Stream.INFO)
    Operation.objects.filter(pk=operation.pk).update(
        state=State.PARKED,
        resume_at=None if seconds is None else Now() + timedelta(seconds=seconds),
        sent_at=Now() - timedelta(seconds=RESEND_AFTER + 1),  # nobody was told yet: the first tick after that may
        parked_reason=reason[:255],
        lease_holder="",
        lease_until=None,
        revision=F("revision") + 1,
    )
