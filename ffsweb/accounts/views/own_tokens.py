"""A person's own access tokens: all of them, and new ones that are for every project of theirs."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts import tokens
from ffsweb.accounts.access import PersonRequest, member_view
from ffsweb.accounts.errors import Refused
from ffsweb.accounts.models import AccessToken, Role
from ffsweb.accounts.token_forms import TokenForm
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@member_view
def listing(request: PersonRequest) -> HttpResponse:
    """All tokens that this person made, those of single projects included."""
    now = timezone.now()
    mine = AccessToken.objects.filter(user=request.user).select_related("project")
    return render(request, "accounts/tokens.html", {"rows": [(token, token.state_at(now)) for token in mine]})


@member_view
@require_http_methods(["GET", "POST"])
def create(request: PersonRequest) -> HttpResponse:
    """A new token for all projects, shown once in the answer to the POST and never again."""
    form = TokenForm(posted(request), user=request.user, project=None, held=Role.ADMIN)
    if request.method == "POST" and form.is_valid():
        made = tokens.make(
            actor=request.user,
            project=None,
            name=form.cleaned_data["name"],
            role=form.chosen(),
            days=form.cleaned_data["days"],
            request=request,
        )
        return render(request, "accounts/token_made.html", {"made": made, "host": request.get_host()})
    return render(request, "accounts/token_new.html", {"form": form}, status=422 if form.errors else 200)


@member_view
@require_POST
def revoke(request: PersonRequest, token: int) -> HttpResponse:
    """Make one of them worthless."""
    found = get_object_or_404(AccessToken.objects.filter(user=request.user), pk=token)
    try:
        tokens.revoke(found, actor=request.user, request=request)
    except Refused as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"The token {found.name} was withdrawn and counts no more.")
    return go(request, "accounts:tokens")
