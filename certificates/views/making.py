"""The pages on which keys are made: certificate requests, and self-signed certificates."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_safe

from certificates.forms import RequestForm, SelfSignedForm
from certificates.models import CertificateRequest
from certificates.services import making
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def request_new(request: ProjectRequest, project: str) -> HttpResponse:
    """Make a key and a request; the key is sealed at once."""
    form = RequestForm(posted(request))
    if request.method == "POST" and form.is_valid():
        made = making.request_certificate(
            project=request.project, actor=request.user, request=request, **form.cleaned_data
        )
        messages.success(request, f"The request {made} was made, and its key is sealed: no page shows it.")
        return go(request, made)
    status = 422 if request.method == "POST" else 200
    return render(request, "certificates/request_new.html", {"form": form}, status=status)


@project_view(Role.VIEWER)
@require_safe
def request_detail(request: ProjectRequest, project: str, waiting: int) -> HttpResponse:
    """A request that waits for its certificate."""
    return render(request, "certificates/request.html", {"waiting": _found(request, waiting)})


@project_view(Role.VIEWER)
@require_safe
def request_csr(request: ProjectRequest, project: str, waiting: int) -> HttpResponse:
    """The request as a file. There is no secret in it."""
    found = _found(request, waiting)
    answer = HttpResponse(found.csr_pem, content_type="application/pkcs10")
    answer["Content-Disposition"] = f'attachment; filename="request-{found.public_key[:16]}.csr"'
    return answer


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def request_discard(request: ProjectRequest, project: str, waiting: int) -> HttpResponse:
    """Remove a request, and its key with it."""
    found = _found(request, waiting)
    if request.method == "POST":
        making.discard_request(waiting=found, actor=request.user, request=request)
        messages.success(request, f"The request {found} was discarded, with its sealed key.")
        return go(request, "certificates:list", project=project)
    return render(request, "certificates/request_discard.html", {"waiting": found})


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def self_signed(request: ProjectRequest, project: str) -> HttpResponse:
    """Make a self-signed certificate."""
    form = SelfSignedForm(posted(request))
    if request.method == "POST" and form.is_valid():
        made = making.add_self_signed(
            project=request.project, actor=request.user, request=request, **form.cleaned_data
        )
        messages.success(request, f"{made} was made. Its key is sealed: no page shows it.")
        return go(request, made)
    status = 422 if request.method == "POST" else 200
    return render(request, "certificates/self_signed.html", {"form": form}, status=status)


def _found(request: ProjectRequest, waiting: int) -> CertificateRequest:
    rows = CertificateRequest.objects.select_related("project")
    return get_object_or_404(rows, project=request.project, pk=waiting)
