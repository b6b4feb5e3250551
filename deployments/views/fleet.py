"""Home: the fleet board."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from deployments.models import Node
from deployments.models.board import STATES, fleet_board
from ffsweb.accounts.access import PersonRequest, member_view
from ffsweb.accounts.models import Project
from ffsweb.web.htmx import is_partial


@member_view
def board(request: PersonRequest) -> HttpResponse:
    """Project × node: what runs where, and how long ago that was read. Filters stand in the address."""
    projects = list(Project.objects.visible_to(request.user))
    chosen = {
        name: request.GET.get(name, "").replace("\0", "").strip()[:80] for name in ("project", "state", "search")
    }
    rows = fleet_board(request.user, **chosen)
    # A state is a service's; a node without one has none to look for.
    bare = (
        []
        if chosen["state"]
        else list(
            Node.objects.visible_to(request.user).without_services(project=chosen["project"], search=chosen["search"])
        )
    )
    template = "deployments/fleet.html#board" if is_partial(request) else "deployments/fleet.html"
    context = {
        "rows": rows,
        "bare": bare,
        "projects": projects,
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": STATES,
        "may_create": request.user.is_administrator,
    }
    response = render(request, template, context)
    response["Vary"] = "HX-Request"
    return response
