"""What the dashboard forgets, and what it forgot lately, for administrators."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ffsweb.accounts.access import PersonRequest, administrator_view
from ffsweb.audit.models import AuditEvent

SHOWN = 50


@administrator_view
@require_safe
def page(request: PersonRequest) -> HttpResponse:
    """The rules, and the last removals: of the dashboard's own, and those on nodes by the clock."""
    removed = AuditEvent.objects.filter(Q(action__startswith="retention.") | Q(action="node.prune"))
    context = {
        "operations_days": settings.KEEP_OPERATIONS_DAYS,
        "operations": settings.KEEP_OPERATIONS,
        "releases": settings.KEEP_RELEASES,
        "images_days": settings.KEEP_IMAGES_DAYS,
        "removed": removed[:SHOWN],
    }
    return render(request, "deployments/retention.html", context)
