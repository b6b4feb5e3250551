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
    try:
        return Caller(tokens.admit_bearer(text))
    except TokenRefused as refused:
        # Failures alone are limited: whoever shares an address with somebody who guesses is not kept out.
        raise _failed(refused, address_of(request), token_hash(text)[:16]) from refused


def _failed(refused: TokenRefused, address: str, name: str) -> Problem:
    """The answer to one more failure. The audit log keeps one a minute of each token and address, for anybody may
    fail, as often as the line carries."""
    if token_limits.exhausted(address, name):
        wait = str(token_limits.WINDOW)
        return Problem(429, f"Too many log-ins from here failed. Wait {wait} seconds.", headers={"Retry-After": wait})
    token_limits.count(address, name)
    token = refused.token
    if not token_limits.told(address, str(token.pk) if token else "unknown"):
        tokens.record_refused(refused, address)
    return Problem(401, str(refused), headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})
