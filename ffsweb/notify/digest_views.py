"""Where a mail a day is chosen: on a page of one's own, and on the project's page about its mail."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts.access import PersonRequest, ProjectRequest, member_view, project_view
from ffsweb.accounts.models import Membership, Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go

from . import services
from .forms import DigestForm
from .models import Digest
from .recipients import MAILED


@member_view
@require_http_methods(["GET", "POST"])
def of_person(request: PersonRequest) -> HttpResponse:
    """Choose one's own. Four queries."""
    row = Digest.objects.filter(user=request.user).first()
    form = DigestForm(posted(request), initial={"hour": row.hour if row else None})
    if request.method == "POST" and form.is_valid():
        services.choose_digest(form.cleaned_data["hour"], actor=request.user, request=request)
        messages.success(request, "Saved.")
        return go(request, "notify:digest")
    mine = Membership.objects.filter(user=request.user, role__in=MAILED).order_by("project__name")
    context = {"form": form, "digest": row, "projects": list(mine.values_list("project__name", flat=True))}
    return render(request, "notify/digest.html", context, status=422 if request.method == "POST" else 200)


@project_view(Role.ADMIN)
@require_POST
def of_project(request: ProjectRequest, project: str) -> HttpResponse:
    """Choose that of the listed addresses."""
    form = DigestForm(posted(request))
    if not form.is_valid():
        return HttpResponse("Choose an hour from the page's own list.", status=422, content_type="text/plain")
    services.choose_digest(form.cleaned_data["hour"], actor=request.user, project=request.project, request=request)
    messages.success(request, "Saved.")
    return go(request, "notify:project", project=project)
