"""Who is at the door of the registry: challenges, passes, and refusals in the form that clients of it understand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from deployments.oci.distribution import Address, Code, Refusal, parse_address
from deployments.services import registry_access
from deployments.services.registry_access import Visitor
from ffsweb.accounts.access import READING_METHODS
from ffsweb.accounts.models import Project
from ffsweb.web.client import address_of

VERSION = ("Docker-Distribution-API-Version", "registry/2.0")


class VisitorRequest(HttpRequest):
    """The request that a view of the registry gets. For annotations only."""

    visitor: Visitor
    project: Project
    address: Address


def admit_anywhere(request: HttpRequest, _kwargs: dict[str, Any]) -> HttpResponse | None:
    """Any log-in or pass that counts; sets ``request.visitor``."""
    try:
        request.visitor = _visitor(request)  # type: ignore[attr-defined]
    except Refusal as refusal:
        return refused(request, refusal)
    return None


def admit_by_login(request: HttpRequest, _kwargs: dict[str, Any]) -> HttpResponse | None:
    """A log-in: with a pass nobody gets another one."""
    try:
        request.visitor = _logged_in(request)  # type: ignore[attr-defined]
    except Refusal as refusal:
        answer = refused(request, refusal)
        if refusal.code is Code.UNAUTHORIZED:
            answer["WWW-Authenticate"] = 'Basic realm="ffsweb"'
        return answer
    return None


def admit_to_repository(request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse | None:
    """Whoever may do this in this repository; sets ``request.visitor``, ``.project`` and ``.address``.

    For a project that is not the visitor's the answer is the same whether it exists or not.
    """
    action = "pull" if request.method in READING_METHODS else "push"
    scope = ""
    try:
        address = parse_address(kwargs["rest"])
        repository = "/".join(filter(None, (kwargs["project"], address.name)))
        scope = f"repository:{repository}:{'pull' if action == 'pull' else 'pull,push'}"
        visitor = _visitor(request)
        if not visitor.may(repository, action):
            raise _denied(visitor, repository, action)
        if not visitor.asked_for(repository, action):
            raise Refusal(Code.UNAUTHORIZED, "This pass was not made for that. Ask for one that is.")
    except Refusal as refusal:
        return refused(request, refusal, scope=scope)
    request.visitor, request.address = visitor, address  # type: ignore[attr-defined]
    request.project = Project.objects.get(name=kwargs["project"])  # type: ignore[attr-defined]
    return None


def refused(request: HttpRequest, refusal: Refusal, *, scope: str = "") -> HttpResponse:
    """The refusal as an answer; with a challenge where a log-in would help."""
    answer = HttpResponse(refusal.body(), status=refusal.status, content_type="application/json")
    for name, value in (VERSION, *refusal.fields):
        answer[name] = value
    if refusal.code is Code.UNAUTHORIZED:
        answer["WWW-Authenticate"] = _challenge(request, scope)
    return answer


def realm(request: HttpRequest) -> str:
    """Where passes are had, as the client reaches this dashboard.

    A proxy that ends TLS and is not among the trusted ones leaves no trace of it; by the public address it is known.
    """
    public = urlsplit(settings.PUBLIC_URL)
    host = request.get_host()
    scheme = public.scheme if host == public.netloc else request.scheme
    return f"{scheme}://{host}{reverse('registry_token')}"


def _challenge(request: HttpRequest, scope: str) -> str:
    parts = [f'realm="{realm(request)}"', f'service="{request.get_host()}"']
    if scope:
        parts.append(f'scope="{scope}"')
    if request.headers.get("Authorization", "").lower().startswith("bearer "):
        parts.append('error="insufficient_scope"' if scope else 'error="invalid_token"')
    return f"Bearer {','.join(parts)}"


def _visitor(request: HttpRequest) -> Visitor:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return registry_access.read_pass(value.strip())
    return _logged_in(request)


def _logged_in(request: HttpRequest) -> Visitor:
    login = registry_access.parse_login(request.headers.get("Authorization", ""))
    if login is None:
        raise Refusal(Code.UNAUTHORIZED, "Log in with your user name and an access token of the project.")
    return registry_access.log_in(login, address_of(request))


def _denied(visitor: Visitor, repository: str, action: str) -> Refusal:
    token, name = visitor.admitted.token, registry_access.project_of(repository)
    if visitor.admitted.reads(name):
        needed = registry_access.ACTIONS[action].label
        return Refusal(Code.DENIED, f"To {action} takes the role {needed} in {name}; {token.name} has less there.")
    if token.project is None:
        return Refusal(Code.DENIED, f"Whoever made the token {token.name} is no member of such a project.")
    return Refusal(Code.DENIED, f"The token {token.name} is for the project {token.project.name} alone.")
