"""What was told of a project's certificates, and who looks after it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from certificates.models import Alert
from certificates.services import minding
from certificates.services.alerts import KIND
from certificates.services.gap import KIND as GAP
from ffsweb.accounts.access import PersonRequest, ProjectRequest, member_view, project_view
from ffsweb.accounts.models import Project, Role
from ffsweb.notify.history import history
from ffsweb.notify.recipients import recipients
from ffsweb.web.htmx import go

SNOOZES = (1, 3, 7, 14, 30)
ENDED = 20
"""Ended alerts that are shown."""


class SeenForm(forms.Form):
    """What somebody saw when they decided, and for how long they want to hear nothing."""

    rung = forms.IntegerField()
    days = forms.TypedChoiceField(choices=[(days, days) for days in SNOOZES], coerce=int, required=False)


@member_view
@require_safe
def fleet(request: PersonRequest) -> HttpResponse:
    """Open alerts of all projects that the person may see, the worst first. Three queries."""
    rows = Alert.objects.in_projects(Project.objects.visible_to(request.user)).filter(is_open=True)
    rows = rows.order_by("-rung", "certificate__not_after", "pk")
    return render(request, "certificates/all_alerts.html", {"open": rows, "now": timezone.now()})


@project_view(Role.VIEWER)
@require_safe
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """Open alerts, the worst first, the last ones that ended, and the last mails. Seven queries."""
    rows = _rows(request)
    context = {
        "open": rows.filter(is_open=True).order_by("-rung", "certificate__not_after"),
        "ended": rows.filter(is_open=False).order_by(F("ended_at").desc(nulls_last=True))[:ENDED],
        "nobody": not recipients(request.project, KIND.name),
        "mails": history(request.project, (KIND.name, GAP.name)),
        "snoozes": SNOOZES,
        "now": timezone.now(),
    }
    return render(request, "certificates/alerts.html", context)


@project_view(Role.OPERATOR)
@require_POST
def acknowledge(request: ProjectRequest, project: str, alert: int) -> HttpResponse:
    """Note that somebody looks after it."""
    return _decide(request, alert, snooze=False)


@project_view(Role.OPERATOR)
@require_POST
def snooze(request: ProjectRequest, project: str, alert: int) -> HttpResponse:
    """Hear of it later."""
    return _decide(request, alert, snooze=True)


def _decide(request: ProjectRequest, pk: int, *, snooze: bool) -> HttpResponse:
    found = get_object_or_404(_rows(request), pk=pk)
    form = SeenForm(request.POST)
    if not form.is_valid() or (snooze and not form.cleaned_data["days"]):
        return HttpResponse("Choose how long from the page's own list.", status=422, content_type="text/plain")
    found.rung = form.cleaned_data["rung"]  # as it was seen: what went further meanwhile is not acknowledged
    try:
        if snooze:
            minding.snooze(alert=found, days=form.cleaned_data["days"], actor=request.user, request=request)
            messages.success(request, f"Nothing more of {found.name} is mailed until then, unless it expires.")
        else:
            minding.acknowledge(alert=found, actor=request.user, request=request)
            messages.success(request, f"Noted that you look after {found.name}.")
    except minding.Changed as error:
        messages.error(request, str(error))
    return go(request, "certificates:alerts", project=request.project.name)


def _rows(request: ProjectRequest) -> QuerySet[Alert]:
    return Alert.objects.of(request.project)
