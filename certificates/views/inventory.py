"""The list of a project's certificates."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.core.timeline import Expiry, timeline
from certificates.models import Certificate, CertificateRequest
from certificates.services.export import rows as csv_rows
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role

ORDERS = {
    "expiry": ("Those that expire first", ("not_after", "label")),
    "label": ("By label", ("label", "not_after")),
    "issuer": ("By issuer", ("issuer", "not_after")),
    "newest": ("Those added last", ("-created_at",)),
}


@project_view(Role.VIEWER)
@require_safe
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All certificates, by what expires first. A fixed number of queries."""
    now = timezone.now()
    search = request.GET.get("search", "").strip()[:200]
    order = request.GET.get("order", "")
    order = order if order in ORDERS else "expiry"
    everything = list(_certificates(request).order_by(*ORDERS[order][1]).defer("chain_pem"))
    found = [row for row in everything if _fits(row, search)]
    context = {
        "rows": [(row, row.days_left(now), row.time_level(now)) for row in found],
        "any": bool(everything),
        "timeline": timeline([_expiry(row, now) for row in found], now),
        "search": search,
        "order": order,
        "orders": [(key, words) for key, (words, _) in ORDERS.items()],
        "waiting": CertificateRequest.objects.filter(project=request.project).select_related("project"),
        "now": now,
    }
    return render(request, "certificates/list.html", context)


@project_view(Role.VIEWER)
@require_safe
def inventory_csv(request: ProjectRequest, project: str) -> HttpResponseBase:
    """The whole inventory of the project as CSV."""
    found = _certificates(request).order_by("not_after")
    answer = StreamingHttpResponse(csv_rows(found, timezone.now()), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="certificates-{request.project.name}.csv"'
    return answer


def _certificates(request: ProjectRequest) -> QuerySet[Certificate]:
    """With who uses them, and ``is_replaced``; without what is sealed."""
    newer = Certificate.objects.filter(replaces=OuterRef("pk"))
    return (
        Certificate.objects.filter(project=request.project)
        .select_related("project")
        .annotate(is_replaced=Exists(newer))
        .defer("sealed_key", "sealed_passphrase")
        .prefetch_related("services__node", "services__project")
    )


def _expiry(row: Certificate, now: datetime) -> Expiry:
    return Expiry(row.label, row.not_after, str(row.time_level(now) or "good"))


def _fits(row: Certificate, search: str) -> bool:
    """Whether each word of ``search`` stands in its label, names, subject, issuer or fingerprint."""
    text = " ".join([row.label, *row.names, row.subject, row.issuer, row.fingerprint]).lower()
    return all(word in text for word in search.lower().replace(":", "").split())
