"""A project's access tokens: everybody makes and withdraws their own, admins see and withdraw all."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts import tokens
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.errors import Refused
from ffsweb.accounts.models import AccessToken, Role
from ffsweb.accounts.token_forms import TokenForm
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@project_view(Role.VIEWER)
def listing(request: ProjectRequest, project: str) -> HttpResponse:
    """The tokens that this person may withdraw."""
    now = timezone.now()
    rows = [(token, token.state_at(now)) for token in _visible(request).select_related("user")]
    return render(request, "projects/tokens.html", {"rows": rows, "all": request.role is Role.ADMIN})


@project_view(Role.VIEWER)
@require_http_methods(["GET", "POST"])
def create(request: ProjectRequest, project: str) -> HttpResponse:
    """A new token, shown once in the answer to the POST and never again."""
    form = TokenForm(posted(request), user=request.user, project=request.project, held=request.role)
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.make(
                actor=request.user,
                project=request.project,
                name=form.cleaned_data["name"],
                role=form.chosen(),
                days=form.cleaned_data["days"],
                also_reads=list(form.cleaned_data.get("also_reads", ())),
                request=request,
            )
        except Refused as problem:
            form.add_error(None, str(problem))
        else:
            return render(request, "projects/token_made.html", {"made": made, "host": request.get_host()})
    return render(request, "projects/token_new.html", {"form": form}, status=422 if form.errors else 200)


@project_view(Role.VIEWER)
@require_POST
def revoke(request: ProjectRequest, project: str, token: int) -> HttpResponse:
    """Make one worthless."""
    found = get_object_or_404(_visible(request), pk=token)
    try:
        tokens.revoke(found, actor=request.user, request=request)
    except Refused as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"The token {found.name} was withdrawn and counts no more.")
    return go(request, "projects:tokens", project=project)


def _visible(request: ProjectRequest) -> QuerySet[AccessToken]:
    rows = AccessToken.objects.filter(project=request.project)
    return rows if request.role is Role.ADMIN else rows.filter(user=request.user)
