"""Operations and their logs."""

from __future__ import annotations

import functools
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema

from ffsweb.accounts import tokens
from ffsweb.accounts.errors import TokenRefused
from ffsweb.accounts.models import Role
from ffsweb.operations import ending, rendering
from ffsweb.operations.access import project_of
from ffsweb.operations.live_views import RETRY_AFTER, open_stream
from ffsweb.operations.models import Operation
from ffsweb.operations.stream import parse_cursor
from ffsweb.web.problems import Problem

from .caller import Call
from .operation_shapes import Lines, OperationDetail, OperationShape, detail, shape
from .paging import LARGEST, Page, Paging, page
from .rights import any_token, needs

router = Router(tags=["operations"])

MOST_LINES = 1_000


class Which(Paging):
    """Which operations."""

    project: str = ""
    state: Literal[
        "",
        "active",
        "queued",
        "running",
        "parked",
        "succeeded",
        "failed",
        "rolled_back",
        "cancelled",
        "unknown",
        "needs_hands",
    ] = ""
    kind: str = Field("", max_length=40)


class Range(Schema):
    """Which lines: those after a number, or (``before``) those just before one."""

    after: int = Field(0, ge=0, le=LARGEST)
    before: int = Field(0, ge=0, le=LARGEST)
    limit: int = Field(200, ge=1, le=MOST_LINES)


@router.get("/operations", response=Page[OperationShape], summary="Operations, newest first")
@any_token
def list_operations(request: Call, which: Query[Which]) -> dict[str, Any]:
    """Of all projects of the token, or of one; ``state`` may be “active”: those that have not ended."""
    projects = request.caller.projects()
    rows = Operation.objects.filter(project__in=projects.filter(name=which.project) if which.project else projects)
    if which.state == "active":
        rows = rows.active()
    elif which.state:
        rows = rows.filter(state=which.state)
    if which.kind:
        rows = rows.filter(kind=which.kind)
    return page(rows.for_lists(), which, shape, newest_first=True)


@router.get("/operations/{int:operation_id}", response=OperationDetail, summary="One operation")
@needs(Role.VIEWER, of=project_of)
def get_operation(request: Call, operation_id: int) -> dict[str, Any]:
    """With what it works on, how it ended, and what it asks."""
    return detail(request.operation)


@router.get("/operations/{int:operation_id}/lines", response=Lines, summary="Lines of a log")
@needs(Role.VIEWER, of=project_of)
def get_lines(request: Call, operation_id: int, lines: Query[Range]) -> dict[str, Any]:
    """Numbers count from 1 without a gap. To follow a log, ask for its events."""
    last = ending.last_number(operation_id)
    after, limit = lines.after, lines.limit
    if lines.before:
        after = max(lines.after, lines.before - 1 - limit)
        limit = min(limit, max(0, lines.before - 1 - after))
    found = rendering.plain_rows(operation_id, after=after, limit=limit) if limit else []
    return {
        "lines": found,
        "last": max(last, found[-1]["number"] if found else 0),
        "state": request.operation.state,
        "finished": request.operation.finished,
    }


EVENTS = {
    "responses": {
        200: {
            "description": "Events without a name: lines as a JSON array, their id the last one's number. “steps”: "
            "something of the operation changed. “ping”: still here. “done”: nothing follows.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "It has ended, and all its lines were seen."},
    }
}


@router.get(
    "/operations/{int:operation_id}/events",
    response={204: None},
    openapi_extra=EVENTS,
    summary="Follow a log",
)
@needs(Role.VIEWER, of=project_of)
def get_events(request: Call, operation_id: int, after: int = Query(0, ge=0, le=LARGEST)) -> HttpResponse:
    """Server-sent events: the lines after a number, and each one that comes. When they just end, ask again."""
    after = after or parse_cursor((request.headers.get("Last-Event-ID"),))
    if request.operation.finished and after >= ending.last_number(operation_id):
        return HttpResponse(status=204)
    token_id = request.caller.admitted.token.pk
    allowed = functools.partial(_still_allowed, token_id, operation_id)
    answer = open_stream(request, after=after, allowed=allowed, plain=True)  # type: ignore[arg-type]
    if answer.status_code != 200:
        raise Problem(503, answer.content.decode().strip(), headers={"Retry-After": RETRY_AFTER})
    return answer


def _still_allowed(token_id: int, operation_id: int) -> bool:
    """Whether the token still counts and may still see the operation. Five queries."""
    operation = Operation.objects.select_related("project").filter(pk=operation_id).first()
    try:
        return operation is not None and tokens.admit_again(token_id).role_in(operation.project) is not None
    except TokenRefused:
        return False
