"""A person's own account."""

from __future__ import annotations

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts import people
from ffsweb.accounts.access import PersonRequest, member_view
from ffsweb.accounts.forms import ProfileForm
from ffsweb.audit.services import record
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@member_view
@require_http_methods(["GET", "POST"])
def home(request: PersonRequest) -> HttpResponse:
    """Name, e-mail, and the ways to the password, the second factor and the sessions."""
    form = ProfileForm(posted(request), instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        record(actor=request.user, action="user.profile", target=request.user.username, request=request)
        messages.success(request, "Saved.")
        return go(request, "accounts:home")
    context = {
        "form": form,
        "second_factor": is_mfa_enabled(request.user),
        "memberships": request.user.memberships.select_related("project").order_by("project__name"),
    }
    return render(request, "accounts/home.html", context, status=422 if request.method == "POST" else 200)


@member_view
@require_POST
def end_sessions(request: PersonRequest) -> HttpResponse:
    """End every session of this account but this one."""
    people.end_sessions(request.user, actor=request.user, request=request)
    request.user.refresh_from_db()
    update_session_auth_hash(request, request.user)
    messages.success(request, "Every other session of your account has ended.")
    return go(request, "accounts:home")
