"""Operations as the API has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from ffsweb.operations.models import Operation, Step


class Target(Schema):
    """One thing that an operation works on."""

    key: str
    label: str
    state: str
    message: str
    bytes_done: int
    bytes_total: int


class StepShape(Schema):
    """A step of the journal. ``evidence`` is what it left: facts that differ from step to step."""

    name: str
    target: str
    attempt: int
    state: str
    message: str
    evidence: dict[str, Any]


class QuestionShape(Schema):
    """What an operation waits for an answer to."""

    name: str
    text: str
    choices: dict[str, str]
    due_at: datetime | None


class OperationShape(Schema):
    """One run of something on nodes."""

    id: int
    project: str
    kind: str
    title: str
    state: str
    finished: bool
    cancelling: bool
    actor: str
    plan: str = Field(description="Hash of the plan that it does; empty if it has none.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationDetail(OperationShape):
    """The same with what it works on, how it ended, and what it asks."""

    message: str
    targets: list[Target]
    steps: list[StepShape]
    question: QuestionShape | None


class Line(Schema):
    """One line of a log."""

    number: int
    at: str
    target: str
    stream: str
    text: str


class Lines(Schema):
    """A range of a log. ``last`` is the number of the last line there is now."""

    lines: list[Line]
    last: int
    state: str
    finished: bool


def shape(row: Operation) -> dict[str, Any]:
    """An operation as lists have it. No query if its project was selected."""
    return {
        "id": row.pk,
        "project": row.project.name,
        "kind": row.kind,
        "title": row.title,
        "state": row.state,
        "finished": row.finished,
        "cancelling": row.cancelling,
        "actor": row.actor_name,
        "plan": row.plan_hash,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }


def detail(row: Operation) -> dict[str, Any]:
    """The same with the rest. Three queries."""
    asked = None if row.finished else row.questions.open().first()
    return {
        **shape(row),
        "message": row.message,
        "targets": list(row.targets.all()),
        "steps": [_step(step) for step in row.steps.select_related("target").order_by("pk")],
        "question": asked,
    }


def _step(row: Step) -> dict[str, Any]:
    names = ("name", "attempt", "state", "message", "evidence")
    return {"target": row.target.label if row.target else "", **{name: getattr(row, name) for name in names}}
