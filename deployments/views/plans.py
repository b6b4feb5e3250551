"""Plans: made, shown, and put to work by their hash."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from certificates.models import Certificate
from deployments.core.plan import PlanError
from deployments.core.rotation import DEPLOY, KINDS, certificate_of
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
    certificate, kind = _rotation(request)
    try:
        plan = deploys.preview(
            release=release,
            services=services,
            actor=request.user,
            rollout=form.cleaned_data["rollout"],
            kind=kind,
            certificate=certificate,
        )
    except deploys.NotPossible as error:
        messages.error(request, str(error))
        if certificate is not None:
            return go(request, certificate)
        return go(request, "deployments:release", project=project, number=number)
    return go(request, "deployments:plan", project=project, digest=plan.hash)


def _rotation(request: ProjectRequest) -> tuple[Certificate | None, str]:
    """The certificate that a rotation brings, and the kind of the plan; raises Http404 for one that is not there."""
    kind = request.POST.get("kind", DEPLOY)
    if kind not in KINDS:
        return None, DEPLOY
    key = request.POST.get("certificate", "")
    rows = Certificate.objects.filter(project=request.project).select_related("project")
    return get_object_or_404(rows, pk=int(key) if _KEY.fullmatch(key) else 0), kind


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
    context: dict[str, Any] = {"plan": plan, "row": found, "release": release, "stale": deploys.is_stale(found)}
    context["services"] = [target.key.partition(":")[2] for target in plan.targets]
    chosen = {name: value for name, value in values_of(plan.rollout).items() if value not in {None, ""}}
    context["chosen"] = chosen
    if plan.kind in KINDS:
        rows = Certificate.objects.filter(project=request.project, fingerprint=certificate_of(plan))
        new = rows.select_related("project").first()
        context["rotation"] = new or "a certificate that was removed"
        context["chosen"] = {**chosen, "kind": plan.kind, "certificate": new.pk if new else 0}
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
        value = found.parsed()
        asked = "Rotation of the certificate" if value.kind in KINDS else f"Deploy of release {value.release}"
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
