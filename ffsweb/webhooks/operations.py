"""What operations tell webhooks: how they ended, and what they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse

from .outbox import announce

if TYPE_CHECKING:
    from ffsweb.operations.contract import Outcome
    from ffsweb.operations.models import Operation, Question

TARGETS = 50


def ended(operation: Operation, outcome: Outcome) -> None:
    """Write down the end of ``operation``, in the caller's transaction. One query without webhooks."""
    _announce(
        f"operation.{outcome.state.value}", operation, {"state": outcome.state.value, "message": outcome.message}
    )


def asks(operation: Operation, question: Question) -> None:
    """Write down that ``operation`` waits for an answer."""
    data = {"state": operation.state, "question": question.text, "choices": list(question.choices.values())}
    _announce("operation.asks", operation, data, f":{question.name}")


def _announce(event: str, operation: Operation, more: dict[str, Any], key: str = "") -> None:
    def data() -> dict[str, Any]:
        return {
            "operation": operation.pk,
            "kind": operation.kind,
            "title": operation.title,
            "asked_by": operation.actor_name,
            "targets": [{"name": row.label, "state": row.state} for row in operation.targets.all()[:TARGETS]],
            **more,
        }

    announce(
        event,
        data,
        key=f"{event}:{operation.pk}{key}",
        project=operation.project,
        path=lambda: reverse("operations:detail", args=[operation.pk]),
    )
