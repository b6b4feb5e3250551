"""What a function of the API takes: said beside it, checked before it is called, denied where nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from ffsweb.accounts.access import FindProject
from ffsweb.accounts.models import Project, Role
from ffsweb.web.problems import Problem

from .caller import Caller, caller_of

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Needs:
    """The lowest role in the project of the address; None where any token does, and rows are chosen by it.

    ``administrator``: the token's maker has to be one of the installation, and the token for all that he may do.
    """

    role: Role | None
    of: FindProject | None = None
    administrator: bool = False

    @property
    def words(self) -> str:
        """As the API's description says it: a role, "any" or "administrator"."""
        return "administrator" if self.administrator else self.role.value if self.role else "any"


def needs(role: Role, *, of: FindProject | None = None) -> Callable[[Function], Function]:
    """For tokens with at least ``role`` in one project; sets ``request.project`` and ``request.role``.

    The project is the one named in the address, or what ``of`` finds, as in ``accounts.access.project_view``.
    """
    return lambda function: _marked(function, Needs(role, of))


def any_token(function: Function) -> Function:
    """For every token that counts; the function shows only what belongs to ``request.caller.projects()``."""
    return _marked(function, Needs(None))


def administrators(function: Function) -> Function:
    """For tokens of administrators of the installation that are for all projects and have the role admin."""
    return _marked(function, Needs(None, administrator=True))


def unstored(function: Function) -> Function:
    """Nothing is kept of what is sent or answered, so idempotency keys count for nothing: it is secret; or the
    function may be repeated anyhow, and its answers differ on purpose."""
    function.unstored = True  # type: ignore[attr-defined]
    return function


def needs_of(function: Callable[..., Any]) -> Needs:
    """What it said. Raises ImproperlyConfigured if it said nothing."""
    found = getattr(function, "needs", None)
    if not isinstance(found, Needs):
        raise ImproperlyConfigured(f"{function.__module__}.{function.__qualname__} does not say who may call it.")
    return found


def admitting(by_method: Mapping[str, Needs]) -> Callable[[HttpRequest, dict[str, Any]], HttpResponse | None]:
    """For ``accounts.access.token_view``: lets in whose token may, and sets ``request.caller`` and ``request.user``.

    Who is no member of the project is told that there is nothing (404), as on the pages. Up to five queries.
    """

    def admit(request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse | None:
        try:
            caller = caller_of(request)
            if any("\0" in value for values in request.GET.lists() for value in (values[0], *values[1])):
                raise Problem(422, "There is a NUL in the address.")
        except Problem as problem:
            return problem.response()
        request.caller = caller  # type: ignore[attr-defined]
        request.user = caller.user
        request.token_name = caller.admitted.token.name  # type: ignore[attr-defined]
        needed = by_method.get(request.method or "")
        if needed is not None and needed.administrator:
            _admit_administrator(caller)
        if needed is not None and needed.role is not None:
            _admit_to_project(request, kwargs, needed)
        return None

    return admit


def _admit_administrator(caller: Caller) -> None:
    token = caller.admitted.token
    if not (caller.user.is_administrator and token.project_id is None and caller.admitted.role is Role.ADMIN):
        raise PermissionDenied(
            "This takes an administrator of the installation, and a token of his for all projects with the role "
            f"{Role.ADMIN.label}. Nothing was done."
        )


def _admit_to_project(request: Any, kwargs: dict[str, Any], needed: Needs) -> None:
    project = needed.of(request, **kwargs) if needed.of else Project.objects.filter(name=kwargs["project"]).first()
    held = request.caller.admitted.role_in(project) if project else None
    if held is None:
        raise Http404("There is no such project, or this access token is not for it.")
    if needed.role and not held.includes(needed.role):
        raise PermissionDenied(
            f"This token acts as {held.label} in {project.name}; this takes {needed.role.label}. Nothing was done."
        )
    request.project, request.role = project, held


def _marked(function: Function, what: Needs) -> Function:
    function.needs = what  # type: ignore[attr-defined]
    return function
