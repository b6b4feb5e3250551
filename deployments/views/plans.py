"""Plans: made, shown, and put to work by their hash."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from deployments.core.plan import PlanError
from deployments.forms.rollout import RolloutForm, values_of
from deployments.models import Plan, Release, Service
from deployments.services import deploys
from deployments.views.busy import BOUND_TO_PLAN, busy_page, wants_to_wait
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.services import Busy
from ffsweb.web.htmx import go

_KEY = re.compile(r"[0-9]{1,18}")
"""A service's key as the form sends it: what is longer fits no database's integer."""


@project_view(Role.OPERATOR)
@require_POST
def make(request: ProjectRequest, project: str, number: int) -> HttpResponse:
    """Plan a deploy of a release to the chosen services, from their last readings."""
    release = get_object_or_404(Release, project=request.project, number=number)
    chosen = [int(value) for value in request.POST.getlist("service") if _KEY.fullmatch(value)]
    services = list(Service.objects.filter(project=request.project, pk__in=chosen))
    if not services:
        messages.error(request, "Choose at least one service.")
        return go(request, "deployments:release", project=project, number=number)
    form = RolloutForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"No plan was made. {form.said()}")
        return go(request, "deployments:release", project=project, number=number)
    try:
        plan = deploys.preview(
            release=release, services=services, actor=request.user, rollout=form.cleaned_data["rollout"]
        )
    except deploys.NotPossible as error:
        messages.error(request, str(error))
        return go(request, "deployments:release", project=project, number=number)
    return go(request, "deployments:plan", project=project, digest=plan.hash)


@project_view(Role.VIEWER)
def show(request: ProjectRequest, project: str, digest: str) -> HttpResponse:
    """What the deploy would change, node by node."""
    found = get_object_or_404(Plan, project=request.project, hash=digest)
    try:
        plan = found.parsed()
    except PlanError:
        messages.error(request, "That plan was made by another version of ffsweb. Make a fresh one.")
        return go(request, "deployments:releases", project=project)
    release = get_object_or_404(Release, project=request.project, number=plan.release)
    context = {"plan": plan, "row": found, "release": release, "stale": deploys.is_stale(found)}
    context["services"] = [target.key.partition(":")[2] for target in plan.targets]
    context["chosen"] = {name: value for name, value in values_of(plan.rollout).items() if value not in {None, ""}}
    return render(request, "deployments/plan.html", context)


@project_view(Role.OPERATOR)
@require_POST
def deploy(request: ProjectRequest, project: str, digest: str) -> HttpResponse:
    """Do exactly what the plan of this hash shows; with ``wait``, when what it needs is free."""
    found = get_object_or_404(Plan, project=request.project, hash=digest)
    if _warned(found) and request.POST.get("aware") != "yes":
        messages.error(request, "Nothing was started. Confirm first that you know what the plan warns of.")
        return go(request, "deployments:plan", project=project, digest=digest)
    try:
        operation = deploys.request_deploy(
            plan=found, actor=request.user, wait=wants_to_wait(request), request=request
        )
    except Busy as busy:
        asked = f"Deploy of release {found.parsed().release}"
        back = reverse("deployments:plan", args=[project, digest])
        return busy_page(request, busy, asked=asked, promise=BOUND_TO_PLAN, back=back)
    except deploys.Refused as error:
        messages.error(request, str(error))
        return go(request, "deployments:plan", project=project, digest=digest)
    return go(request, "operations:detail", operation.pk)


def _warned(plan: Plan) -> bool:
    try:
        return plan.parsed().warnings > 0
    except PlanError:
        return False  # refused below, with the reason
