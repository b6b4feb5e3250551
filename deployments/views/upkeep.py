"""What keeps nodes in order: upgrades of ffs-node, prunes, and cordons."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from deployments.forms.node import CordonForm
from deployments.services import nodes, pruning, upkeep
from deployments.views.busy import started
from deployments.views.nodes import find_node
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.services import Busy
from ffsweb.web.htmx import go


@project_view(Role.OPERATOR)
@require_POST
def upgrade(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Give one node this ffsweb's ffs-node; with ``wait``, when it is free."""
    found = find_node(request, node)
    begin = partial(upkeep.request_upgrade, project=request.project, nodes=[found])
    return started(request, begin, asked=f"Upgrade of ffs-node on {found}", back=found.get_absolute_url())


@project_view(Role.OPERATOR)
@require_POST
def upgrade_all(request: ProjectRequest, project: str) -> HttpResponse:
    """Give it to all nodes that have an older one, in one operation; those in use are left out, and named."""
    found = upkeep.upgradable(request.project)
    busy = ", ".join(node.name for node in found.busy)
    if not found.free:
        messages.error(
            request, f"In use now: {busy}. Nothing was started." if busy else "No node has an older ffs-node."
        )
        return go(request, "deployments:nodes", project=project)
    try:
        operation = upkeep.request_upgrade(
            project=request.project, nodes=found.free, actor=request.user, request=request
        )
    except Busy as error:
        messages.error(request, str(error))
        return go(request, "deployments:nodes", project=project)
    if busy:
        messages.warning(request, f"Left out, because an operation is at work there: {busy}. Upgrade them later.")
    return go(request, "operations:detail", operation.pk)


@project_view(Role.OPERATOR)
@require_POST
def prune(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Remove from the node what it needs no more; with ``wait``, when it is free."""
    found = find_node(request, node)
    begin = partial(pruning.request_prune, node=found)
    return started(request, begin, asked=f"Prune of {found}", back=found.get_absolute_url())


@project_view(Role.OPERATOR)
@require_POST
def cordon(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Let nothing be deployed to the node, and say why."""
    found = find_node(request, node)
    form = CordonForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"{found} was not cordoned: say why, in at most 200 characters.")
    elif nodes.cordon_node(node=found, reason=form.cleaned_data["reason"], actor=request.user, request=request):
        messages.success(request, f"{found} is cordoned: nothing is deployed to it. Everything else goes on.")
    else:
        messages.error(request, f"{found} was cordoned already.")
    return go(request, found)


@project_view(Role.OPERATOR)
@require_POST
def uncordon(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Let it be deployed to again."""
    found = find_node(request, node)
    if nodes.uncordon_node(node=found, actor=request.user, request=request):
        messages.success(request, f"{found} can be deployed to again.")
    else:
        messages.error(request, f"{found} was not cordoned.")
    return go(request, found)
