"""A project's page about its mail: what is sent, to whom, and what somebody does not want."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Membership, Role
from ffsweb.web.htmx import go

from . import kinds, server, services
from .forms import AddressForm, DigestForm
from .models import Digest, ListedAddress, Muted
from .recipients import MAILED


@project_view(Role.VIEWER)
@require_safe
def page(request: ProjectRequest, project: str) -> HttpResponse:
    """Seven queries, whatever the number of people."""
    return _page(request, AddressForm())


@project_view(Role.ADMIN)
@require_POST
def add(request: ProjectRequest, project: str) -> HttpResponse:
    """List an address."""
    form = AddressForm(request.POST)
    if form.is_valid():
        try:
            address = form.cleaned_data["address"]
            services.list_address(request.project, address, actor=request.user, request=request)
        except services.NotPossible as error:
            form.add_error("address", str(error))
        else:
            messages.success(request, f"{address} gets the mail of this project from now on.")
            return go(request, "notify:project", project=project)
    return _page(request, form, status=422)


@project_view(Role.ADMIN)
@require_POST
def drop(request: ProjectRequest, project: str, address: int) -> HttpResponse:
    """Remove a listed address."""
    row = get_object_or_404(ListedAddress.objects.select_related("project"), pk=address, project=request.project)
    services.unlist_address(row, actor=request.user, request=request)
    messages.success(request, f"{row.address} gets no more mail of this project.")
    return go(request, "notify:project", project=project)


@project_view(Role.OPERATOR)
@require_POST
def choose(request: ProjectRequest, project: str, username: str) -> HttpResponse:
    """What one person gets: their own choice, or an admin's for them."""
    member = get_object_or_404(
        Membership.objects.select_related("user"), project=request.project, user__username=username, role__in=MAILED
    )
    if username != request.user.username and request.role is not Role.ADMIN:
        raise PermissionDenied("Only an admin of the project chooses for somebody else.")
    known = [kind.name for kind in kinds.registered()]
    services.choose(
        request.project,
        member.user,
        request.POST.getlist("kind"),
        known=known,
        actor=request.user,
        request=request,
    )
    messages.success(request, "Saved.")
    return go(request, "notify:project", project=project)


def _page(request: ProjectRequest, form: AddressForm, status: int = 200) -> HttpResponse:
    members = Membership.objects.filter(project=request.project, role__in=MAILED, user__is_active=True)
    off = set(Muted.objects.filter(project=request.project).values_list("user_id", "kind"))
    known = kinds.registered()
    admin = request.role is Role.ADMIN
    people = [
        {
            "user": member.user,
            "may": admin or member.user == request.user,
            "kinds": [(kind, (member.user_id, kind.name) not in off) for kind in known],
        }
        for member in members.select_related("user").order_by("user__username")
    ]
    digest = Digest.objects.filter(project=request.project).first()
    context = {
        "kinds": known,
        "people": people,
        "listed": ListedAddress.objects.filter(project=request.project),
        "form": form,
        "admin": admin,
        "digest": digest,
        "digest_form": DigestForm(initial={"hour": digest.hour if digest else None}),
        "working": server.entered() is not None or server.of_environment() is not None,
    }
    return render(request, "notify/project.html", context, status=status)
