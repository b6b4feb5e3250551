"""Releases: the history, and a new one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from deployments.forms.content import ReleaseForm
from deployments.forms.rollout import RolloutForm, last_chosen, values_of
from deployments.models import Node, Release, Service
from deployments.models.going_back import way_back
from deployments.models.supervision import detected, supervision_of
from deployments.services.releases import Gone, make_release
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All releases, newest first, with where they run."""
    rows = Release.objects.filter(project=request.project).for_lists()
    context = {
        "releases": rows.prefetch_related("live_on__node"),
        "images": request.project.images.count(),
        "services": request.project.services.count(),
    }
    return render(request, "deployments/releases.html", context)


@project_view(Role.OPERATOR)
@require_http_methods(["GET", "POST"])
def create(request: ProjectRequest, project: str) -> HttpResponse:
    """Make a release of an image, files and the settings of the moment."""
    form = ReleaseForm(posted(request), project=request.project)
    if request.method == "POST" and form.is_valid():
        try:
            release = make_release(project=request.project, actor=request.user, request=request, **form.cleaned_data)
        except Gone as error:
            form.add_error("image", str(error))
        else:
            messages.success(request, f"Release {release.number} was made.")
            return go(request, "deployments:release", project=project, number=release.number)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "images": request.project.images.count(), "settings": request.project.settings.count()}
    return render(request, "deployments/release_form.html", context, status=status)


@project_view(Role.VIEWER)
def detail(request: ProjectRequest, project: str, number: int) -> HttpResponse:
    """One release, the services that it can be deployed to, and how each would be watched."""
    rows = Release.objects.select_related("image", "files").prefetch_related("variants").defer("files__manifest")
    found = get_object_or_404(rows, project=request.project, number=number)
    related = ("node", "project", "certificate", "live_release")
    services = list(Service.objects.filter(project=request.project).select_related(*related))
    behind = {row.node_id for row in services if row.live_release and row.live_release.number > found.number}
    readings = Node.objects.filter(pk__in=behind).newest_readings()
    context = {
        "release": found,
        "services": [
            {
                "row": service,
                "watched": supervision_of(service, found.image),
                "way": way_back(service, found, readings.get(service.node_id)),
            }
            for service in services
        ],
        "older": bool(behind),
        "detected": detected(found.image),
        "rollout": RolloutForm(initial=values_of(last_chosen(request.project))),
    }
    return render(request, "deployments/release.html", context)
