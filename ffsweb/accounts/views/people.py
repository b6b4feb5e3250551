"""All people of the installation, for administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.db.models import Count, Exists, OuterRef
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ffsweb.accounts import invitations, people
from ffsweb.accounts.access import PersonRequest, administrator_view
from ffsweb.accounts.errors import Refused
from ffsweb.accounts.forms import InvitePersonForm
from ffsweb.accounts.models import OneTimeLink, User
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go

VERBS: Mapping[str, tuple[Callable[..., None], str]] = {
    "deactivate": (people.deactivate, "{} can no longer log in, and every session of theirs has ended."),
    "activate": (people.activate, "{} can log in again."),
    "make-administrator": (people.make_administrator, "{} is an administrator now."),
    "remove-administrator": (people.remove_administrator, "{} is no administrator any more."),
    "end-sessions": (people.end_sessions, "Every session of {} has ended."),
    "remove-second-factor": (people.remove_second_factor, "{} logs in with the password alone now."),
}
"""What an administrator can do to an account with one button, and what is said then."""


@administrator_view
def home(request: PersonRequest) -> HttpResponse:
    """The first of the system pages."""
    return go(request, "system:people")


@administrator_view
def listing(request: PersonRequest) -> HttpResponse:
    """Everybody, and the links that are still open. Two queries."""
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    users = User.objects.annotate(projects=Count("memberships"), second_factor=Exists(factor))
    links = OneTimeLink.objects.open_at(timezone.now()).select_related("created_by", "project")
    context = {"users": users.order_by("-is_active", "username"), "links": links}
    return render(request, "accounts/people.html", context)


@administrator_view
def person(request: PersonRequest, username: str) -> HttpResponse:
    """One account and what can be done to it."""
    user = get_object_or_404(User, username=username)
    context = {
        "person": user,
        "memberships": user.memberships.select_related("project").order_by("project__name"),
        "second_factor": Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists(),
    }
    return render(request, "accounts/person.html", context)


@administrator_view
@require_http_methods(["GET", "POST"])
def invite(request: PersonRequest) -> HttpResponse:
    """A link for somebody new, shown once in the answer to the POST and never again."""
    form = InvitePersonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = invitations.invite(
                actor=request.user,
                username=form.cleaned_data["username"],
                administrator=form.cleaned_data["administrator"],
                request=request,
            )
        except Refused as problem:
            form.add_error("username", str(problem))
        else:
            return _shown(request, made, "accounts:join")
    return render(request, "accounts/invite.html", {"form": form}, status=422 if form.errors else 200)


@administrator_view
@require_POST
def password_link(request: PersonRequest, username: str) -> HttpResponse:
    """A link by which somebody sets a new password, shown once in this answer and never again."""
    user = get_object_or_404(User, username=username, is_active=True)
    made = invitations.password_link(user, actor=request.user, request=request)
    return _shown(request, made, "accounts:new_password")


@administrator_view
@require_POST
def act(request: PersonRequest, username: str, verb: str) -> HttpResponse:
    """One of ``VERBS``."""
    if verb not in VERBS:
        raise Http404("There is nothing like that to do to an account.")
    user = get_object_or_404(User, username=username)
    change, said = VERBS[verb]
    try:
        change(user, actor=request.user, request=request)
        messages.success(request, said.format(user.username))
    except Refused as problem:
        messages.error(request, str(problem))
    return go(request, "system:person", username=user.username)


@administrator_view
@require_POST
def withdraw(request: PersonRequest, link: int) -> HttpResponse:
    """Withdraw a link of any kind."""
    found = get_object_or_404(OneTimeLink, pk=link)
    try:
        invitations.withdraw(found, actor=request.user, request=request)
        messages.success(request, f"The link for {found.username or 'the first administrator'} is worthless now.")
    except Refused as problem:
        messages.error(request, str(problem))
    return go(request, "system:people")


def _shown(request: PersonRequest, made: invitations.Made, page: str) -> HttpResponse:
    address = request.build_absolute_uri(reverse(page, args=[made.token]))
    return render(request, "accounts/link.html", {"made": made, "address": address})
