"""The answer to who asks for what somebody else has: who it is, why, since when, and a button to wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from ffsweb.accounts.access import ProjectRequest
from ffsweb.operations.models import Operation
from ffsweb.operations.services import Busy
from ffsweb.web.htmx import go

BY_ITSELF: Final = "It then begins by itself. Until its turn comes it does nothing and can be cancelled."
BOUND_TO_PLAN: Final = (
    "It stays bound to this plan. When its turn comes the nodes are read first: if one is not as the plan found it, "
    "because what is under way now changed it, the deploy ends as failed, nothing that runs is touched, and a fresh "
    "plan is to be made. Until its turn comes it does nothing and can be cancelled."
)


def wants_to_wait(request: ProjectRequest) -> bool:
    """Whether the form came from the button "Queue it"."""
    return request.POST.get("wait") == "1"


def busy_page(request: ProjectRequest, busy: Busy, *, asked: str, promise: str, back: str) -> HttpResponse:
    """Status 409. ``asked``: what was asked for; ``promise``: what queueing it means; ``back``: an address."""
    context = {"busy": busy, "asked": asked, "promise": promise, "back": back}
    return render(request, "deployments/busy.html", context, status=409)


def started(request: ProjectRequest, begin: Callable[..., Operation], *, asked: str, back: str) -> HttpResponse:
    """Ask for an operation and go to its page; or say who has what it needs, with a button to wait for that.

    ``begin`` takes ``actor``, ``wait`` and ``request``.
    """
    try:
        operation = begin(actor=request.user, wait=wants_to_wait(request), request=request)
    except Busy as busy:
        return busy_page(request, busy, asked=asked, promise=BY_ITSELF, back=back)
    return go(request, "operations:detail", operation.pk)
