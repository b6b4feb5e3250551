"""The certificates that services serve: one table of the fleet, and one of each project; and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.core.findings import time_level
from certificates.core.timeline import Expiry, Timeline, timeline
from certificates.models import Certificate
from deployments.core.served import STATES
from deployments.models import Service
from deployments.models.served import Sight
from deployments.models.served_table import ServedRow, served_table
from ffsweb.accounts.access import PersonRequest, ProjectRequest, member_view, project_view
from ffsweb.accounts.models import Project, Role, User
from ffsweb.audit.export import guarded

COLUMNS = (
    "project",
    "node",
    "service",
    "state",
    "reason",
    "certificate",
    "local_sha256",
    "local_not_after",
    "server_sha256",
    "server_not_after",
    "served_sha256",
    "served_not_after",
    "port",
    "looked_at",
    "error",
    "node_served_sha256",
    "node_served_not_after",
    "node_port",
    "node_looked_at",
    "node_error",
)


@member_view
@require_safe
def fleet(request: PersonRequest) -> HttpResponse:
    """Of all projects that the person may see, with a picture of the year in which their certificates end."""
    services = Service.objects.visible_to(request.user)
    return _page(request, services, "deployments/served.html", timeline=_year(request.user))


@member_view
@require_safe
def fleet_csv(request: PersonRequest) -> HttpResponseBase:
    """The same as CSV, with the same filters."""
    return _csv(_rows(request, Service.objects.visible_to(request.user)), "certificates-served")


@project_view(Role.VIEWER)
@require_safe
def of_project(request: ProjectRequest, project: str) -> HttpResponse:
    """Of one project."""
    return _page(request, Service.objects.filter(project=request.project), "deployments/served_project.html")


@project_view(Role.VIEWER)
@require_safe
def of_project_csv(request: ProjectRequest, project: str) -> HttpResponseBase:
    """The same as CSV, with the same filters."""
    services = Service.objects.filter(project=request.project)
    return _csv(_rows(request, services), f"certificates-served-{request.project.name}")


def _chosen(request: HttpRequest) -> dict[str, str]:
    search = request.GET.get("search", "").replace("\0", "").strip()[:200]
    state = request.GET.get("state", "")
    return {"search": search, "state": state if state in STATES else ""}


def _rows(request: HttpRequest, services: QuerySet[Service]) -> list[ServedRow]:
    return served_table(services, **_chosen(request))


def _year(person: User) -> Timeline | None:
    """When all certificates end that are used, or that nothing has replaced; None if there is none. One query."""
    now = timezone.now()
    rows = Certificate.objects.filter(project__in=Project.objects.visible_to(person))
    rows = rows.filter(Q(services__isnull=False) | Q(replaced_by__isnull=True)).distinct()
    names = ("project__name", "label", "not_before", "not_after")
    ends = [
        Expiry(f"{project}: {label}", until, str(time_level(since, until, now) or "good"))
        for _pk, project, label, since, until in rows.order_by("pk").values_list("pk", *names)
    ]
    return timeline(ends, now) if ends else None


def _page(request: HttpRequest, services: QuerySet[Service], template: str, **more: object) -> HttpResponse:
    chosen = _chosen(request)
    query = request.GET.urlencode()
    context = {
        "rows": _rows(request, services),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": STATES,
        "query": f"?{query}" if query else "",
        **more,
    }
    return render(request, template, context)


def _csv(rows: Iterable[ServedRow], name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: Iterable[ServedRow]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([guarded(cell) for cell in _cells(row)])


def _cells(row: ServedRow) -> list[str]:
    return [
        row.service.project.name,
        row.service.node.name,
        row.service.name,
        row.verdict.state,
        row.verdict.reason,
        row.local.label,
        row.local.fingerprint,
        _moment(row.local.not_after),
        row.server or "",
        _moment(row.server_until),
        *_sight(row.outside),
        *_sight(row.inside),
    ]


def _sight(seen: Sight | None) -> tuple[str, ...]:
    if seen is None:
        return ("",) * 5
    return (
        seen.fingerprint,
        _moment(seen.not_after),
        str(seen.port) if seen.port else "",
        _moment(seen.at),
        seen.error,
    )


def _moment(when: datetime | None) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""
