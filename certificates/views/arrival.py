"""The pages by which a certificate comes in: a new one, and one in place of another."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates.core.errors import MaterialError
from certificates.forms import CertificateForm, RenewalForm
from certificates.models import Certificate
from certificates.services import inventory
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def add(request: ProjectRequest, project: str) -> HttpResponse:
    """Upload a certificate; its key is sealed for the worker on arrival."""
    form = CertificateForm(posted(request), request.FILES or None)
    certificate = _uploaded(request, form, label=form.cleaned_data["label"]) if _good(request, form) else None
    if certificate is not None:
        messages.success(request, f"{certificate} was stored. Its key is sealed: no page shows it again.")
        return go(request, certificate)
    return render(request, "certificates/add.html", {"form": form}, status=_status(request))


@sensitive_post_parameters()
@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def replace(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Upload the renewed certificate of ``certificate``: the label stays, services keep the old one until changed."""
    old = get_object_or_404(Certificate.objects.select_related("project"), project=request.project, pk=certificate)
    form = RenewalForm(posted(request), request.FILES or None)
    new = _uploaded(request, form, replaces=old) if _good(request, form) else None
    users = old.services.select_related("node", "project")
    if new is not None:
        messages.success(request, f"{new} was stored. Its key is sealed: no page shows it again.")
        if users:
            named = ", ".join(map(str, users))
            messages.warning(request, f"These services still use the old one: {named}. Rotate them to it.")
        return go(request, new)
    context = {"form": form, "certificate": old, "users": users}
    return render(request, "certificates/replace.html", context, status=_status(request))


def _good(request: ProjectRequest, form: RenewalForm) -> bool:
    return request.method == "POST" and form.is_valid()


def _status(request: ProjectRequest) -> int:
    return 422 if request.method == "POST" else 200


def _uploaded(
    request: ProjectRequest, form: RenewalForm, *, label: str = "", replaces: Certificate | None = None
) -> Certificate | None:
    """The stored certificate, with a message for each thing that was mended; None puts the reason into the form."""
    try:
        certificate, notes = inventory.upload_certificate(
            project=request.project,
            actor=request.user,
            label=label,
            replaces=replaces,
            request=request,
            **form.material(),
        )
    except MaterialError as error:
        form.add_error(None, str(error))
        return None
    for note in notes:
        messages.info(request, note)
    return certificate
