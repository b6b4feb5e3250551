"""Where an event stream is asked for: who may have it, and whether there is room for one more."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from ffsweb.accounts.access import project_view
from ffsweb.accounts.models import Role

from . import ending, route, slots
from .access import OperationRequest, project_of, still_allowed
from .stream import Admission, parse_cursor

RETRY_AFTER = "5"


@project_view(Role.VIEWER, of=project_of)
@require_GET
def events(request: OperationRequest, operation_id: int) -> HttpResponse:
    """The headers of the operation's events; they follow. 204 if none will come any more, 503 if too many watch."""
    after = parse_cursor((request.GET.get("after"), request.headers.get("Last-Event-ID")))
    if request.operation.finished and after >= ending.last_number(operation_id):
        return HttpResponse(status=204)  # a browser's EventSource comes no more (WHATWG HTML §9.2.3)
    user_id, session_key = request.user.pk, request.session.session_key
    return open_stream(
        request, after=after, allowed=functools.partial(still_allowed, session_key, user_id, operation_id)
    )


def open_stream(
    request: OperationRequest, *, after: int, allowed: Callable[[], bool], plain: bool = False
) -> HttpResponse:
    """The headers of an event stream of ``request.operation``, or 503. See ``stream.Admission``."""
    operation_id = request.operation.pk
    slot = slots.take(request.user.pk)
    if slot is None:
        return _no_stream("Too many logs are being watched here.")
    if not route.hand_over(request, Admission(operation_id, after, allowed, slot, plain=plain)):
        slot.release()
        return _no_stream("Lines come by themselves only where the dashboard runs as an ASGI application.")
    return HttpResponse(
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
    )


def _no_stream(why: str) -> HttpResponse:
    return HttpResponse(
        f"{why} Ask for its lines now and then instead.\n",
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": RETRY_AFTER},
    )
