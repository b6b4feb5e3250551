"""Keys by which nodes are logged in to: rotations of the dashboard's own."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from deployments.services import access_rotation
from deployments.views.busy import started
from deployments.views.nodes import find_node
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.services import Busy
from ffsweb.web.htmx import go


@project_view(Role.OPERATOR)
@require_POST
def rotate(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Give the node a new key of the dashboard's; with ``wait``, when it is free."""
    found = find_node(request, node)
    begin = partial(access_rotation.request_rotation, project=request.project, nodes=[found])
    asked = f"Rotation of the dashboard's key on {found}"
    return started(request, begin, asked=asked, back=found.get_absolute_url())


@project_view(Role.OPERATOR)
@require_POST
def rotate_all(request: ProjectRequest, project: str) -> HttpResponse:
    """The same for all nodes of the project, a canary first; those in use are owed it, and named."""
    try:
        operation, busy = access_rotation.request_rotation_of_all(
            project=request.project, actor=request.user, request=request
        )
    except Busy as error:
        messages.error(request, str(error))
        return go(request, "deployments:nodes", project=project)
    names = ", ".join(node.name for node in busy)
    if busy:
        messages.warning(request, f"In use now: {names}. They get their new key by themselves when they are free.")
    if operation is None:
        if not busy:
            messages.error(request, "There was no first contact with any node yet. Nothing was started.")
        return go(request, "deployments:nodes", project=project)
    return go(request, "operations:detail", operation.pk)
