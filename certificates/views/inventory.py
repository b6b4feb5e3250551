"""The pages of a project's certificates."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates.core.errors import MaterialError
from certificates.forms import CertificateForm
from certificates.models import Certificate
from certificates.services import inventory
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """All certificates, those that expire first at the top. A fixed number of queries."""
    now = timezone.now()
    rows = (
        Certificate.objects.filter(project=request.project)
        .order_by("not_after")
        .defer("chain_pem", "sealed_key", "sealed_passphrase")
        .prefetch_related("services__node", "services__project")
    )
    rows_with_days = [(row, row.days_left(now)) for row in rows]
    return render(request, "certificates/list.html", {"rows": rows_with_days})


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def add(request: ProjectRequest, project: str) -> HttpResponse:
    """Upload a pair; the key is sealed for the worker on arrival."""
    form = CertificateForm(posted(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            certificate = inventory.add_certificate(
                project=request.project,
                actor=request.user,
                label=data["label"],
                chain_pem=data["chain"],
                key_pem=data["key"],
                passphrase=data["passphrase"].encode() or None,
                request=request,
            )
        except MaterialError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{certificate} was stored. Its key is sealed: no page shows it again.")
            return go(request, "certificates:list", project=project)
    status = 422 if request.method == "POST" else 200
    return render(request, "certificates/add.html", {"form": form}, status=status)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Remove a certificate that no service uses."""
    found = get_object_or_404(Certificate, project=request.project, pk=certificate)
    if request.method == "POST":
        try:
            inventory.remove_certificate(certificate=found, actor=request.user, request=request)
        except inventory.StillUsed as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{found} was removed, with its sealed key.")
        return go(request, "certificates:list", project=project)
    users = found.services.select_related("node", "project")
    return render(request, "certificates/remove.html", {"certificate": found, "users": users})
