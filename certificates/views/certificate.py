"""The pages of one certificate."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.core.details import describe_chain
from certificates.core.findings import findings
from certificates.forms import LabelForm
from certificates.models import Certificate
from certificates.renewal_forms import FailureForm, RenewedByForm
from certificates.services import inventory
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
@require_safe
def detail(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Everything that stands in it, what is to be known of it, and who uses it. A fixed number of queries."""
    return page(request, found_or_404(request, certificate))


@project_view(Role.ADMIN)
@require_POST
def label(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Give it another label."""
    found = found_or_404(request, certificate)
    form = LabelForm(posted(request))
    if not form.is_valid():
        return page(request, found, label=form, status=422)
    inventory.rename_certificate(
        certificate=found, label=form.cleaned_data["label"], actor=request.user, request=request
    )
    messages.success(request, f"It is called {found} now.")
    return go(request, found)


@project_view(Role.VIEWER)
@require_safe
def chain(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """The public half, as PEM: certificate and issuers. The key has no such address."""
    found = found_or_404(request, certificate)
    answer = HttpResponse(found.chain_pem, content_type="application/x-pem-file")
    answer["Content-Disposition"] = f'attachment; filename="chain-{found.fingerprint[:16]}.pem"'
    return answer


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Remove a certificate that no service uses."""
    found = found_or_404(request, certificate)
    if request.method == "POST":
        try:
            inventory.remove_certificate(certificate=found, actor=request.user, request=request)
        except inventory.StillUsed as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{found} was removed, with its sealed key.")
        return go(request, "certificates:list", project=project)
    users = found.services.select_related("node", "project")
    context = {"certificate": found, "users": users, "backups": _backups(found)}
    return render(request, "certificates/remove.html", context)


def found_or_404(request: ProjectRequest, certificate: int) -> Certificate:
    """A certificate of the project."""
    rows = Certificate.objects.select_related("project", "replaces__project")
    return get_object_or_404(rows, project=request.project, pk=certificate)


def _backups(found: Certificate) -> QuerySet[Any]:
    """Where it was in place before, newest first: rows of another application, which refer to it."""
    return found.had_by.select_related("service__node", "service__project")


def page(
    request: ProjectRequest,
    found: Certificate,
    *,
    label: LabelForm | None = None,
    renewal: RenewedByForm | None = None,
    failure: FailureForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of ``found``, with the form that was filled in wrongly, if one was."""
    now = timezone.now()
    described = describe_chain(found.chain_pem)
    context = {
        "certificate": found,
        "leaf": described[0],
        "chain": described,
        "findings": findings(described, now),
        "days": found.days_left(now),
        "level": found.time_level(now),
        "users": found.services.select_related("node", "project"),
        "newer": found.replaced_by.select_related("project").order_by("-created_at"),
        "backups": _backups(found),
        "alert": found.alerts.filter(is_open=True).first(),
        "form": label or LabelForm(),
        "renewal": renewal or RenewedByForm(certificate=found),
        "failure": failure or FailureForm(),
        "now": now,
    }
    return render(request, "certificates/detail.html", context, status=status)
