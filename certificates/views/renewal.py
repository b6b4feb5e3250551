"""Who renews a certificate, chosen on its page, and failures that are noted there."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from certificates.renewal_forms import MACHINE, FailureForm, RenewedByForm
from certificates.services import renewals
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go

from .certificate import found_or_404, page


@project_view(Role.ADMIN)
@require_POST
def choose(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Say who renews it."""
    found = found_or_404(request, certificate)
    form = RenewedByForm(posted(request), certificate=found)
    if not form.is_valid():
        return page(request, found, renewal=form, status=422)
    automatic, renew_by = form.cleaned_data["by"] == MACHINE, form.cleaned_data["renew_by"]
    renewals.mark(certificate=found, automatic=automatic, renew_by=renew_by, actor=request.user, request=request)
    what = "A machine is expected to renew it" if automatic else "Somebody is expected to upload the next one"
    messages.success(request, f"Saved. {what}.")
    return go(request, found)


@project_view(Role.OPERATOR)
@require_POST
def failed(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Note that a renewal failed."""
    found = found_or_404(request, certificate)
    form = FailureForm(posted(request))
    if not form.is_valid():
        return page(request, found, failure=form, status=422)
    renewals.failed(certificate=found, reason=form.cleaned_data["reason"], actor=request.user, request=request)
    messages.success(request, "Noted. After the second failure it is mailed.")
    return go(request, found)


@project_view(Role.OPERATOR)
@require_POST
def count_anew(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Forget the failures."""
    found = found_or_404(request, certificate)
    renewals.count_anew(certificate=found, actor=request.user, request=request)
    messages.success(request, "Failures are counted anew.")
    return go(request, found)
