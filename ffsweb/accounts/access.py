"""Who may open a page: one decorator per view, and a view without one is refused.

=====================  =======================================================================================
``public_view``        anybody, logged in or not
``member_view``        anybody who is logged in
``administrator_view`` the installation's administrators
``project_view(role)`` members of the project in the address who have at least ``role``
``token_view(admit)``  programs with an access token; cookies of people count for nothing
=====================  =======================================================================================

Anonymous people are sent to the log-in page; who is no member of a project is told that there is nothing (404), so
that names cannot be probed; who is a member with too low a role is refused (403). Rights are read from the database
at every request, so a changed role counts at once. Synchronous and asynchronous views are both taken.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from .models import Project, Role, User

View = Callable[..., Any]
FindProject = Callable[..., Project]
Admit = Callable[[HttpRequest, dict[str, Any]], HttpResponse | None]

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Kind(enum.Enum):
    """The answers to "who is this page for?"."""

    PUBLIC = "public"
    MEMBER = "member"
    ADMINISTRATOR = "administrator"
    PROJECT = "project"
    TOKEN = "token"  # noqa: S105 - a kind of page


@dataclass(frozen=True, slots=True)
class Access:
    """What a view declares: its kind and, for a project's page, the lowest role to read and to change."""

    kind: Kind
    read: Role | None = None
    write: Role | None = None

    def role_for(self, method: str) -> Role | None:
        """The lowest project role that may use ``method``; None if the view belongs to no project."""
        return self.read if method in READING_METHODS else self.write


class ProjectRequest(HttpRequest):
    """The request that a view behind ``project_view`` gets. For annotations only."""

    user: User
    project: Project
    role: Role


class PersonRequest(HttpRequest):
    """The request that a view behind ``member_view`` or ``administrator_view`` gets. For annotations only."""

    user: User


def declared(view: View) -> Access | None:
    """What ``view`` declared by one of the decorators, or None: such a view is refused to everybody."""
    access = getattr(view, "access", None)
    return access if isinstance(access, Access) else None


def public_view(view: View) -> View:
    """For anybody. To be used for log-in, invitations and health checks only."""
    return _guarded(view, Access(Kind.PUBLIC), lambda _request, _kwargs: None)


def member_view(view: View) -> View:
    """For anybody who is logged in; the view itself has to show only what ``visible_to(request.user)`` gives."""
    return _guarded(view, Access(Kind.MEMBER), lambda request, _kwargs: _logged_in(request))


def administrator_view(view: View) -> View:
    """For the installation's administrators; 403 for everybody else who is logged in."""

    def admit(request: HttpRequest, _kwargs: dict[str, Any]) -> HttpResponse | None:
        answer = _logged_in(request)
        if answer is None and not request.user.is_administrator:  # type: ignore[union-attr]
            raise PermissionDenied("This page is for administrators of the installation.")
        return answer

    return _guarded(view, Access(Kind.ADMINISTRATOR), admit)


def project_view(role: Role, *, write: Role | None = None, of: FindProject | None = None) -> Callable[[View], View]:
    """For members of one project with at least ``role``; sets ``request.project`` and ``request.role``.

    ``write``: the lowest role for methods that change something (default: ``role``). ``of``: finds the project when
    the address has no ``project`` in it; called with the request and the address's arguments, raises Http404. Two
    queries.
    """
    access = Access(Kind.PROJECT, role, write or role)

    def admit(request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse | None:
        answer = _logged_in(request)
        if answer is not None:
            return answer
        user: User = request.user  # type: ignore[assignment]
        project = of(request, **kwargs) if of else _named(kwargs["project"])
        held = project.role_of(user)
        if held is None:
            raise Http404("There is no such project, or you are not a member of it.")
        needed = access.role_for(request.method or "GET")
        if needed is None or not held.includes(needed):
            raise PermissionDenied(
                f"Your role in {project.name} is {held.label}; this takes {needed.label if needed else 'more'}."
            )
        request.project = project  # type: ignore[attr-defined]
        request.role = held  # type: ignore[attr-defined]
        return None

    return lambda view: _guarded(view, access, admit)


def token_view(admit: Admit) -> Callable[[View], View]:
    """For programs. ``admit`` finds the access token (``ffsweb.accounts.tokens``) and its role in the request.

    It gets the request and the address's arguments, and answers None to let the program in or says why not: programs
    expect a 401 in a form of their own, and no log-in page.
    """
    return lambda view: _guarded(view, Access(Kind.TOKEN), admit)


def login_redirect(request: HttpRequest) -> HttpResponse:
    """To the log-in page, and back to where the person was; a fragment's request moves the whole page."""
    htmx = getattr(request, "htmx", None)
    here = (htmx.current_url_abs_path or "/") if htmx else request.get_full_path()
    comes_back = bool(htmx) or request.method in READING_METHODS
    address = reverse("account_login") + (f"?{urlencode({'next': here})}" if comes_back else "")
    return HttpResponseClientRedirect(address) if htmx else HttpResponseRedirect(address)


def _logged_in(request: HttpRequest) -> HttpResponse | None:
    return None if request.user.is_authenticated else login_redirect(request)


def _named(name: str) -> Project:
    project = Project.objects.filter(name=name).first()
    if project is None:
        raise Http404("There is no such project, or you are not a member of it.")
    return project


def _guarded(view: View, access: Access, admit: Admit) -> View:
    """``view`` behind ``admit``, which answers None to let the request in, an answer, or raises."""
    if iscoroutinefunction(view):

        async def aguard(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            answer = await sync_to_async(admit)(request, kwargs)
            return answer if answer is not None else await view(request, *args, **kwargs)

        guard: View = markcoroutinefunction(functools.wraps(view)(aguard))
    else:

        def plain(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            answer = admit(request, kwargs)
            return answer if answer is not None else view(request, *args, **kwargs)

        guard = functools.wraps(view)(plain)
    guard.access = access  # type: ignore[attr-defined]
    return guard
