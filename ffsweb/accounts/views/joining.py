"""Pages behind one-time links: the first administrator, an invitation, a new password. Reading one spends nothing."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.utils import perform_login
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ffsweb.accounts import invitations, setup
from ffsweb.accounts.access import public_view
from ffsweb.accounts.errors import LinkSpent
from ffsweb.accounts.forms import FirstAdministratorForm, JoinForm, NewPasswordForm
from ffsweb.accounts.models import User
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go


@public_view
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def first(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first administrator."""
    try:
        setup.find_first_admin_link(token)
        form = FirstAdministratorForm(posted(request))
        return _answer(request, form, "accounts/first.html", {}, lambda: _make_first(request, token, form))
    except LinkSpent as problem:
        return _spent(request, problem)


@public_view
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation."""
    try:
        link = invitations.find_invitation(token)
        form = JoinForm(posted(request), link=link)
        return _answer(request, form, "accounts/join.html", {"link": link}, lambda: _join(request, token, form))
    except LinkSpent as problem:
        return _spent(request, problem)


@public_view
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def new_password(request: HttpRequest, token: str) -> HttpResponse:
    """Set a new password; the person logs in with it then, second factor included."""
    try:
        link = invitations.find_password_link(token)
        form = NewPasswordForm(posted(request), user=link.user or User())
        return _answer(
            request, form, "accounts/new_password.html", {"link": link}, lambda: _set_password(request, token, form)
        )
    except LinkSpent as problem:
        return _spent(request, problem)


def _answer(
    request: HttpRequest, form: Form, template: str, context: dict[str, object], act: Callable[[], HttpResponse]
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        if request.user.is_authenticated:
            messages.error(
                request, "You are logged in. Log out first, then open the link again. Nothing was changed."
            )
            return go(request, "accounts:home")
        return act()
    status = 422 if request.method == "POST" else 200
    return render(request, template, {"form": form, **context}, status=status)


def _make_first(request: HttpRequest, token: str, form: Form) -> HttpResponse:
    data = form.cleaned_data
    user = setup.create_first_administrator(
        token=token,
        username=data["username"],
        full_name=data["full_name"],
        password=data["password"],
        request=request,
    )
    answer: HttpResponse = perform_login(request, user, redirect_url="/")
    return answer


def _join(request: HttpRequest, token: str, form: Form) -> HttpResponse:
    data = form.cleaned_data
    user = invitations.accept(token=token, full_name=data["full_name"], password=data["password"], request=request)
    answer: HttpResponse = perform_login(request, user, redirect_url="/")
    return answer


def _set_password(request: HttpRequest, token: str, form: Form) -> HttpResponse:
    invitations.set_password(token=token, password=form.cleaned_data["password"], request=request)
    messages.success(request, "Your new password is set. Log in with it.")
    return go(request, "account_login")


def _spent(request: HttpRequest, problem: LinkSpent) -> HttpResponse:
    return render(request, "accounts/spent.html", {"problem": problem}, status=404)
