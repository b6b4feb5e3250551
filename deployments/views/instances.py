"""The pages of services."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from deployments.forms.service import ServiceForm
from deployments.models import Service
from deployments.models.board import fleet_board, newest_live, service_state
from deployments.models.going_back import offered
from deployments.models.served_table import served_row
from deployments.models.supervision import supervision_of
from deployments.services import instances as services
from deployments.services import requests
from deployments.views.busy import started
from deployments.views.nodes import find_node
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.models import Operation
from ffsweb.web.forms import ConfirmNameForm, posted
from ffsweb.web.htmx import go

VERBS = (
    ("restart", "Restart", "rotate-clockwise"),
    ("stop", "Stop", "player-stop"),
    ("start", "Start", "player-play"),
)


def find_service(request: ProjectRequest, node: str, service: str) -> Service:
    """The service of this name on this node in the request's project, or 404. One query."""
    rows = Service.objects.select_related(
        "node__project",
        "project",
        "live_release",
        "desired_release",
        "certificate__project",
        "owed__release",
        "served",
    )
    return get_object_or_404(rows, project=request.project, node__name=node, name=service)


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All services of a project."""
    rows = fleet_board(request.user, project=request.project.name)
    return render(request, "deployments/services.html", {"rows": rows})


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def create(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Describe a service on a node."""
    found = find_node(request, node)
    form = ServiceForm(posted(request), node=found)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_service(node=found, actor=request.user, fields=form.cleaned_data, request=request)
        except services.NameTaken as taken:
            form.add_error("name", str(taken))
        else:
            messages.success(request, f"{made} was described. It runs after its first deploy.")
            return go(request, "deployments:service", project=project, node=node, service=made.name)
    status = 422 if request.method == "POST" else 200
    return render(request, "deployments/service_form.html", {"form": form, "node": found}, status=status)


@project_view(Role.VIEWER)
def detail(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """One service: its measured state with the reading's age, what can be done, and its history."""
    found = find_service(request, node, service)
    reading = found.node.readings.first()
    operations = Operation.objects.filter(targets__key=found.resource)
    releases = offered(found, reading)
    shown = found.live_release or found.desired_release or next((release for release, _ in releases), None)
    return render(
        request,
        "deployments/service.html",
        {
            "service": found,
            "node": found.node,
            "reading": reading,
            "state": service_state(found, reading, newest=newest_live([found.project_id]).get(found.project_id, 0)),
            "served": served_row(found, reading),
            "had": found.had.select_related("certificate__project"),
            "now": timezone.now(),
            "verbs": VERBS,
            "operations": operations.filter(~Q(kind="journal"))[:15],
            "journal": operations.filter(kind="journal").first(),
            "releases": releases,
            "watched_release": shown,
            "watched": supervision_of(found, shown.image) if shown else None,
        },
    )


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def edit(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """Change a service's description."""
    found = find_service(request, node, service)
    form = ServiceForm(posted(request), instance=Service.objects.get(pk=found.pk), node=found.node)
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_service(service=found, actor=request.user, fields=form.cleaned_data, request=request)
        except services.ServiceBusy as busy:
            form.add_error(None, str(busy))
        else:
            messages.success(request, f"{found} was changed. The change reaches the node with the next deploy.")
            return go(request, "deployments:service", project=project, node=node, service=service)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "node": found.node, "service": found}
    return render(request, "deployments/service_form.html", context, status=status)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """Forget a service, after its name was typed."""
    found = find_service(request, node, service)
    form = ConfirmNameForm(posted(request), expected=found.name)
    if form.is_valid():
        try:
            services.remove_service(service=found, actor=request.user, request=request)
        except services.ServiceBusy as busy:
            form.add_error(None, str(busy))
        else:
            messages.success(request, f"{service} was removed here. What runs on {node} was left as it is.")
            return go(request, "deployments:node", project=project, node=node)
    context = {
        "title": f"Remove {found}",
        "form": form,
        "consequence": "The dashboard forgets this service. Its container, its files and its data stay on the node: "
        "stop it first if it should not go on running.",
        "cancel": found.get_absolute_url(),
    }
    return render(request, "deployments/remove.html", context, status=422 if form.errors else 200)


@project_view(Role.OPERATOR)
@require_POST
def control(request: ProjectRequest, project: str, node: str, service: str, verb: str) -> HttpResponse:
    """Start, stop or restart; with ``wait``, when the service is free."""
    if verb not in {known for known, _, _ in VERBS}:
        raise Http404
    found = find_service(request, node, service)
    begin = partial(requests.request_control, service=found, verb=verb)
    return started(request, begin, asked=f"{verb.capitalize()} {found}", back=found.get_absolute_url())


@project_view(Role.OPERATOR)
@require_POST
def journal(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """Read the service's journal from the node, searched or followed."""
    found = find_service(request, node, service)
    operation = requests.request_journal(
        service=found,
        search="".join(each for each in request.POST.get("search", "") if each.isprintable()).strip()[:200],
        follow=request.POST.get("follow") == "on",
        actor=request.user,
        request=request,
    )
    return go(request, "operations:detail", operation.pk)
