"""An operation that ended otherwise than it should is mailed, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from ffsweb.operations.states import State

from .kinds import Kind
from .letter import Letter
from .outbox import queue
from .recipients import recipients, wants

if TYPE_CHECKING:
    from ffsweb.operations.contract import Outcome
    from ffsweb.operations.models import Operation

KIND = Kind(
    "operation",
    "An operation did not succeed",
    "It failed, was rolled back, needs hands, or nobody knows how it ended. It goes to whoever asked for it; if they "
    "have no address, or left the project, to everybody here.",
)
QUIET = {State.SUCCEEDED, State.CANCELLED}
TARGETS = 20
TODO = {
    State.FAILED: "Read the log, mend the cause, and ask for it again.",
    State.ROLLED_BACK: "The old release runs. Read the log for what was wrong with the new one.",
    State.NEEDS_HANDS: "Read the log: it says what is left to be done, and where.",
    State.UNKNOWN: "Read the nodes again to see what is true, then decide.",
}


def tell(operation: Operation, outcome: Outcome) -> None:
    """Write the mail of ``operation``, which has just ended in the caller's transaction. Up to six queries."""
    if outcome.state in QUIET:
        return
    project, asker = operation.project, operation.actor
    if asker is not None and asker.email and asker.is_active and project.role_of(asker) is not None:
        to = [asker.email] if wants(asker, project, KIND.name) else []
    else:
        to = recipients(project, KIND.name)
    if to:
        queue(_letter(operation, outcome), to=to, key=f"operation:{operation.pk}", kind=KIND.name, project=project)


def _letter(operation: Operation, outcome: Outcome) -> Letter:
    targets = [(target.label, target.condition.label) for target in operation.targets.all()[: TARGETS + 1]]
    more = [("And", "more: see its page")] if len(targets) > TARGETS else []
    return Letter(
        subject=f"{operation.project.name}: {outcome.state.label}: {operation.title}",
        happened=outcome.message or f"It ended as: {outcome.state.label}.",
        facts=(
            ("Operation", operation.title),
            ("Ended as", outcome.state.label),
            ("Asked for by", operation.actor_name),
            ("Asked for at", f"{operation.created_at:%Y-%m-%d %H:%M:%S} UTC"),
            *targets[:TARGETS],
            *more,
        ),
        todo=TODO.get(outcome.state, ""),
        path=reverse("operations:detail", args=[operation.pk]),
    )
