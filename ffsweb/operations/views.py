"""The pages of operations: the list, one operation with its log, its lines as JSON and as text, and cancelling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ffsweb.accounts.access import PersonRequest, member_view, project_view
from ffsweb.accounts.models import Role

from . import answers, ending, listing, rendering, services, waiting
from .access import OperationRequest, project_of
from .models import Operation, Step
from .states import State
from .stream import parse_cursor

PAGE_LINES = 1_000


@member_view
@require_safe
def list_(request: PersonRequest) -> HttpResponse:
    """The operations of all projects that the person may see."""
    form = listing.FilterForm(request.GET, user=request.user)
    visible = Operation.objects.visible_to(request.user)
    found = listing.filtered(visible, form)
    active, active_count = ([], 0) if request.GET else listing.active_now(visible)
    operations, older = listing.page(found, before=parse_cursor((request.GET.get("before"),)))
    query = request.GET.copy()
    query["before"] = str(older)
    return render(
        request,
        "operations/list.html",
        {
            "form": form,
            "operations": operations,
            "older": query.urlencode() if older else "",
            "filtered": request.GET,
            "active": active,
            "active_count": active_count,
        },
    )


@project_view(Role.VIEWER, of=project_of)
@never_cache
@require_safe
def detail(request: OperationRequest, operation_id: int) -> HttpResponse:
    """One operation: state, steps, and its log so far; or, for htmx, what changes of it."""
    operation = request.operation
    part = request.headers.get("HX-Request") == "true"
    context = {**_situation(request, operation), **({} if part else _log(request, operation))}
    answer = render(request, "operations/detail.html" + ("#situation" if part else ""), context)
    patch_vary_headers(answer, ["HX-Request"])  # the back button must not show a fragment
    return answer


@project_view(Role.VIEWER, of=project_of)
@never_cache
@require_safe
def lines(request: OperationRequest, operation_id: int) -> JsonResponse:
    """Lines ``after`` a number, ``before`` one, or the last ones; with the state, and the last line's number."""
    operation = request.operation
    last = ending.last_number(operation_id)
    limit = min(parse_cursor((request.GET.get("limit"), PAGE_LINES)) or 1, PAGE_LINES)
    before = parse_cursor((request.GET.get("before"),))
    if "after" in request.GET:
        after = parse_cursor((request.GET["after"],))
    else:
        top = before or last + 1
        after = max(0, top - 1 - limit)
        limit = min(limit, top - 1 - after)
    found = rendering.rows(operation_id, after=after, limit=limit) if limit else []
    return JsonResponse(
        {
            "lines": [row.as_json() for row in found],
            "last": max(last, found[-1].number if found else 0),
            "state": operation.state,
            "finished": operation.finished,
        }
    )


@project_view(Role.VIEWER, of=project_of)
@require_safe
def text(request: OperationRequest, operation_id: int) -> StreamingHttpResponse:
    """The log as a text file: number, time, stream, target and text of every line there is now."""
    labels = dict(request.operation.targets.values_list("pk", "label"))
    last = ending.last_number(operation_id)
    under_asgi = hasattr(request, "scope")
    return StreamingHttpResponse(
        _text_pieces_async(operation_id, labels, last) if under_asgi else _text_pieces(operation_id, labels, last),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="operation-{operation_id}.log"'},
    )


@project_view(Role.OPERATOR, of=project_of)
@require_POST
def cancel(request: OperationRequest, operation_id: int) -> HttpResponse:
    """Cancel the operation, and go back to its page."""
    try:
        services.cancel(request.operation, actor=request.user, request=request)
    except services.NotPossible as error:
        messages.warning(request, str(error))
    return _back(operation_id)


@project_view(Role.OPERATOR, of=project_of)
@require_POST
def answer(request: OperationRequest, operation_id: int) -> HttpResponse:
    """Answer the question that the operation waits for, and go back to its page."""
    name, choice = request.POST.get("question", ""), request.POST.get("choice", "")
    try:
        answers.answer(request.operation, name, choice, actor=request.user, request=request)
    except services.NotPossible as error:
        messages.warning(request, str(error))
    return _back(operation_id)


def _back(operation_id: int) -> HttpResponse:
    found = HttpResponseRedirect(reverse("operations:detail", args=[operation_id]))
    found.status_code = 303
    return found


def _situation(request: OperationRequest, operation: Operation) -> dict[str, Any]:
    steps = list(operation.steps.select_related("target").order_by("pk"))
    return {
        "operation": operation,
        "targets": list(operation.targets.all()),
        "steps": [(step, _step_state(step, operation)) for step in steps],
        "may_see_request": request.role.includes(Role.ADMIN),
        "may_cancel": not operation.finished and request.role.includes(Role.OPERATOR),
        "question": None if operation.finished else operation.questions.open().first(),
        "turn": waiting.turn_of(operation) if operation.state == State.QUEUED else None,
    }


def _step_state(step: Step, operation: Operation) -> str:
    if step.state != "intent":
        return step.state
    going_on = operation.state == "running" and step.attempt == operation.attempt
    return "running" if going_on else "interrupted"


def _log(request: OperationRequest, operation: Operation) -> dict[str, Any]:
    """The window of the log that the page shows: the last lines, or those from the one that ``from`` names."""
    last = ending.last_number(operation.pk)
    wanted = parse_cursor((request.GET.get("from"),))
    after = min(wanted - 1, last) if wanted else max(0, last - PAGE_LINES)
    shown = rendering.rows(operation.pk, after=after, limit=PAGE_LINES)
    labels = dict(operation.targets.values_list("pk", "label"))
    labelled = len(labels) > 1  # of a single target every line would say the same
    return {
        "lines": [(row, labels.get(row.target_id or 0, "") if labelled else "") for row in shown],
        "shown_last": shown[-1].number if shown else after,
        "earlier": max(1, shown[0].number - PAGE_LINES) if shown and shown[0].number > 1 else 0,
        "later": shown[-1].number + 1 if shown and shown[-1].number < last else 0,
    }


def _text_pieces(operation_id: int, labels: dict[int, str], last: int) -> Iterator[str]:
    after = 0
    while after < last:
        found = rendering.rows(operation_id, after=after, limit=PAGE_LINES)
        if not found:
            return
        after = found[-1].number
        yield rendering.as_text(found, labels)


async def _text_pieces_async(operation_id: int, labels: dict[int, str], last: int) -> AsyncIterator[str]:
    pieces = _text_pieces(operation_id, labels, last)
    while piece := await sync_to_async(lambda: next(pieces, ""))():
        yield piece
