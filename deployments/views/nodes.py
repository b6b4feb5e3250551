"""The pages of a project's nodes."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from deployments.forms.node import NodeForm
from deployments.models import DashboardKey, HostKey, Node, OwedRotation
from deployments.models.program import programs_on
from deployments.services import nodes as services
from deployments.services import requests
from deployments.services.pruning import prunable
from deployments.views.busy import started
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.models import Operation
from ffsweb.web.forms import ConfirmNameForm, posted
from ffsweb.web.htmx import go


def find_node(request: ProjectRequest, node: str) -> Node:
    """The node of this name in the request's project, or 404. One query."""
    return get_object_or_404(Node.objects.select_related("project"), project=request.project, name=node)


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All nodes of a project with the age of their last reading."""
    rows = Node.objects.filter(project=request.project)
    programs = programs_on(rows)
    nodes = rows.select_related("project").with_last_reading().prefetch_related("services")
    context = {
        "nodes": [(node, programs.get(node.pk)) for node in nodes],
        "upgradable": sum(program.standing.upgradable for program in programs.values()),
    }
    return render(request, "deployments/nodes.html", context)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def create(request: ProjectRequest, project: str) -> HttpResponse:
    """Describe a new machine."""
    form = NodeForm(posted(request), project=request.project)
    if request.method == "POST" and form.is_valid():
        try:
            node = services.create_node(
                project=request.project, actor=request.user, fields=form.cleaned_data, request=request
            )
        except services.NameTaken as taken:
            form.add_error("name", str(taken))
        else:
            messages.success(request, f"{node} was described. Give it a service, then download its machine file.")
            return go(request, "deployments:node", project=project, node=node.name)
    status = 422 if request.method == "POST" else 200
    return render(request, "deployments/node_form.html", {"form": form}, status=status)


@project_view(Role.VIEWER)
def detail(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """One node: what was last read from it, its services, its keys and its operations."""
    found = find_node(request, node)
    reading = found.readings.first()
    facts = reading.parsed() if reading else None
    return render(
        request,
        "deployments/node.html",
        {
            "node": found,
            "reading": reading,
            "facts": facts,
            "prunable": prunable(found, facts) if facts else None,
            "program": programs_on(Node.objects.filter(pk=found.pk)).get(found.pk),
            "services": found.services.select_related("live_release", "desired_release"),
            "host_keys": found.host_keys.all()[:20],
            "dashboard_keys": found.dashboard_keys.all()[:10],
            "unfinished_rotation": DashboardKey.objects.unfinished(found).exists(),
            "owed_rotation": OwedRotation.objects.filter(node=found).first(),
            "pinned": found.host_keys.filter(kind=HostKey.Kind.PINNED).exists(),
            "operations": Operation.objects.filter(targets__key=found.resource)[:10],
        },
    )


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def edit(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Change a node's description."""
    found = find_node(request, node)
    form = NodeForm(posted(request), instance=Node.objects.get(pk=found.pk), project=request.project)
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_node(node=found, actor=request.user, fields=form.cleaned_data, request=request)
        except services.NodeBusy as busy:
            form.add_error(None, str(busy))
        else:
            messages.success(request, f"{found} was changed.")
            return go(request, "deployments:node", project=project, node=found.name)
    status = 422 if request.method == "POST" else 200
    return render(request, "deployments/node_form.html", {"form": form, "node": found}, status=status)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Forget a node, after its name was typed."""
    found = find_node(request, node)
    form = ConfirmNameForm(posted(request), expected=found.name)
    if form.is_valid():
        try:
            services.remove_node(node=found, actor=request.user, request=request)
        except services.NodeBusy as busy:
            form.add_error(None, str(busy))
        else:
            messages.success(request, f"{found.name} was removed here. The machine itself was left as it is.")
            return go(request, "deployments:nodes", project=project)
    context = {
        "title": f"Remove {found.name}",
        "form": form,
        "consequence": "The dashboard forgets this node, its services and their readings. What runs on the machine "
        "goes on running; its access keys stay on it.",
        "cancel": found.get_absolute_url(),
    }
    return render(request, "deployments/remove.html", context, status=422 if form.errors else 200)


@project_view(Role.OPERATOR)
@require_POST
def read(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Read the node now."""
    operation = requests.request_reading(node=find_node(request, node), actor=request.user, request=request)
    return go(request, "operations:detail", operation.pk)


@project_view(Role.OPERATOR)
@require_POST
def enrol(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Make the first contact: finish the set-up and replace the bootstrap host key."""
    found = find_node(request, node)
    begin = partial(requests.request_enrolment, node=found)
    return started(request, begin, asked=f"First contact with {found}", back=found.get_absolute_url())


@project_view(Role.ADMIN)
@require_POST
def reprovision(request: ProjectRequest, project: str, node: str, key: int) -> HttpResponse:
    """Trust one named bootstrap key again, because the machine was installed anew with its file."""
    found = find_node(request, node)
    chosen = get_object_or_404(HostKey, pk=key, node=found, kind=HostKey.Kind.BOOTSTRAP)
    try:
        services.reprovision(key=chosen, actor=request.user, request=request)
    except (services.NodeBusy, services.NotAwaited) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{found} is now expected with the host key {chosen.fingerprint}.")
    return go(request, "deployments:node", project=project, node=node)
