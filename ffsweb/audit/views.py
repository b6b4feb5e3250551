"""The pages of the audit log: of the whole installation for administrators, of a project for its admins."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ffsweb.accounts.access import PersonRequest, ProjectRequest, administrator_view, project_view
from ffsweb.accounts.models import Role

from .export import rows
from .filters import FilterForm, before, filtered
from .models import AuditEvent, AuditQuerySet
from .services import verify

PAGE = 50


@administrator_view
@require_safe
def everything(request: PersonRequest) -> HttpResponse:
    """All events of the installation."""
    return _page(request, "audit/all.html", AuditEvent.objects.all())


@administrator_view
@require_safe
def everything_csv(request: PersonRequest) -> HttpResponseBase:
    """What the filter of the page shows, all of it."""
    return _csv(request, "audit", AuditEvent.objects.all())


@administrator_view
@require_safe
def chain(request: PersonRequest) -> HttpResponse:
    """Check the chain now. Reads every event."""
    return render(request, "audit/chain.html", {"verdict": verify()})


@project_view(Role.ADMIN)
@require_safe
def of_project(request: ProjectRequest, project: str) -> HttpResponse:
    """The events of one project."""
    return _page(request, "audit/project.html", AuditEvent.objects.filter(project=request.project))


@project_view(Role.ADMIN)
@require_safe
def of_project_csv(request: ProjectRequest, project: str) -> HttpResponseBase:
    """What the filter of the page shows, all of it."""
    return _csv(request, f"audit-{project}", AuditEvent.objects.filter(project=request.project))


def _page(request: HttpRequest, template: str, events: AuditQuerySet) -> HttpResponse:
    form = FilterForm(request.GET, events=events)
    found, older = before(filtered(events, form), request.GET.get("before", ""), PAGE)
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form,
        "events": found,
        "older": older,
        "query": query.urlencode(),
        "filtering": any(query.values()),
    }
    return render(request, template, context)


def _csv(request: HttpRequest, name: str, events: AuditQuerySet) -> HttpResponseBase:
    found = filtered(events, FilterForm(request.GET, events=events))
    response = StreamingHttpResponse(rows(found.iterator(2000)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
