"""Pages for administrators: what was backed up, and the word that a restored dashboard waits for."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from ffsweb.accounts.access import PersonRequest, administrator_view
from ffsweb.operations.errors import NotPossible
from ffsweb.operations.models import Operation
from ffsweb.operations.restored import confirm, restored
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go

from .forms import OldIsOffForm
from .models import Backup, KeysCopy, Watch

SHOWN = 20


@administrator_view
@require_safe
def backups(request: PersonRequest) -> HttpResponse:
    """The last backups, and whether a restore would do; three queries."""
    context = {
        "rows": Backup.objects.all()[:SHOWN],
        "watch": Watch.objects.filter(pk=1).first(),
        "copy": KeysCopy.objects.first(),
        "days": settings.BACKUP_DAYS,
    }
    return render(request, "backup/backups.html", context)


@administrator_view
@require_http_methods(["GET", "POST"])
def old_is_off(request: PersonRequest) -> HttpResponse:
    """What waits and why, and the word that ends it."""
    waiting = restored()
    form = OldIsOffForm(posted(request), initial={"seen": waiting.at.isoformat()} if waiting else None)
    if request.method == "POST" and form.is_valid():
        try:
            confirm(form.cleaned_data["seen"], actor=request.user, request=request)
            messages.success(request, "Nodes refuse the old dashboard from now on. What was under way goes on here.")
        except NotPossible as error:
            messages.error(request, str(error))
        return go(request, "backup:old_is_off")
    active = Operation.objects.active().for_lists().order_by("pk") if waiting else Operation.objects.none()
    context = {"form": form, "waiting": waiting, "active": active[:SHOWN], "count": active.count()}
    return render(request, "backup/old_is_off.html", context, status=422 if form.errors else 200)
