"""Who calls the API: an access token that counts, the person who made it, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest

from ffsweb.accounts import token_limits, tokens
from ffsweb.accounts.errors import TokenRefused
from ffsweb.accounts.links import token_hash
from ffsweb.accounts.models import Project, Role, User
from ffsweb.accounts.tokens import Admitted
from ffsweb.audit.services import record
from ffsweb.operations.models import Operation
from ffsweb.web.client import address_of
from ffsweb.web.problems import Problem

CHALLENGE = 'Bearer realm="ffsweb"'
_MOST = 200
"""Characters of a token; ours are shorter."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A program, acting in the name of whoever made its token."""

    admitted: Admitted

    @property
    def user(self) -> User:
        """Whose name it acts in."""
        return self.admitted.token.user

    def projects(self) -> QuerySet[Project]:
        """Those that it may read: the token's one, or all that its maker sees."""
        rows = Project.objects.visible_to(self.user)
        token = self.admitted.token
        return rows.filter(pk=token.project_id) if token.project_id is not None else rows


class Call(HttpRequest):
    """The request that a function of the API gets. For annotations only."""

    caller: Caller
    user: User
    project: Project
    role: Role
    operation: Operation


def caller_of(request: HttpRequest) -> Caller:
    """Raises Problem: 401 if no token counts, 429 after too many failures from one address. Three queries."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip()[:_MOST]
    if scheme.lower() != "bearer" or not text:
        said = "This takes an access token: send the header “Authorization: Bearer TOKEN”."
        raise Problem(401, said, headers={"WWW-Authenticate": CHALLENGE})
    # Under the token's own name, so that one program with an old token does not keep out those beside it.
    address, name = address_of(request), token_hash(text)[:16]
    if token_limits.exhausted(address, name):
        wait = str(token_limits.WINDOW)
        raise Problem(429, f"Too many log-ins from here failed. Wait {wait} seconds.", headers={"Retry-After": wait})
    try:
        return Caller(tokens.admit_bearer(text))
    except TokenRefused as refused:
        token_limits.count(address, name)
        token = refused.token
        record(
            actor="(not logged in)",
            action="token.log-in-failed",
            project=token.project if token else None,
            target=token.name if token else "an unknown token",
            detail={"address": address},
        )
        challenge = f'{CHALLENGE}, error="invalid_token"'
        raise Problem(401, str(refused), headers={"WWW-Authenticate": challenge}) from refused
