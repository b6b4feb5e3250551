"""Access tokens: what programs log in with. Made on a page, shown once, checked anew at every request."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.audit.services import record

from .errors import Refused, TokenRefused
from .links import token_hash
from .models import AccessToken, Project, Role, User, lower

PREFIX = "ffs_"
"""Every token begins so: programs that look for secrets in other places can know it by that."""
LIFETIMES = (7, 30, 90, 365)
"""Days for which a token may be made. There is none without an end."""
USE_EVERY = dt.timedelta(minutes=1)
"""How exactly the last use is kept: a push is hundreds of requests."""

_UNKNOWN = "This access token is not known here. Make one on a project's page “Access tokens”, or on your account's."


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token that was just made; ``text`` is shown once and kept nowhere."""

    token: AccessToken
    text: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A token that counts, and the most that it may do now. In a project it may do what ``role_in`` says."""

    token: AccessToken
    role: Role

    def role_in(self, project: Project) -> Role | None:
        """The role in which it acts in that project; None if it is not for it. Up to one query."""
        if self.token.project_id == project.pk:
            return self.role
        if self.token.project_id is not None:
            return None
        held = project.role_of(self.token.user)
        return lower(held, self.role) if held else None

    def reads(self, project: str) -> bool:
        """Whether it may read the project of that name: one it is for, or one that it may use layers of."""
        return self.may(project, Role.VIEWER)

    def may(self, project: str, role: Role) -> bool:
        """Whether it may do in the project of that name what takes ``role``. Up to three queries."""
        if self.token.project is not None and project == self.token.project.name:
            return self.role.includes(role)
        if self.token.project is not None and role is not Role.VIEWER:
            return False
        rows = self.token.also_reads.all() if self.token.project is not None else Project.objects.all()
        other = rows.filter(name=project).first()
        held = other.role_of(self.token.user) if other else None
        return held is not None and lower(held, self.role).includes(role)


@transaction.atomic
def make(
    *,
    actor: User,
    project: Project | None,
    name: str,
    role: Role,
    days: int,
    also_reads: Collection[Project] = (),
    request: HttpRequest | None = None,
) -> MadeToken:
    """A new token of ``actor``'s for ``project``. Raises Refused for a role or a project that they do not have.

    ``project`` None: for all projects, in each as far as ``actor``'s own role there goes.
    """
    held = project.role_of(actor) if project else role
    if project and (held is None or not held.includes(role)):
        raise Refused(f"Your role in {project.name} is less than {role.label}. No token was made.")
    if any(other.role_of(actor) is None for other in also_reads):
        raise Refused("You are no member of one of these projects. No token was made.")
    text = PREFIX + secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        user=actor,
        project=project,
        name=name,
        role=role,
        token_hash=token_hash(text),
        expires_at=timezone.now() + dt.timedelta(days=days),
    )
    token.also_reads.set(also_reads)
    detail = {"role": role.value, "days": days, "also_reads": sorted(other.name for other in also_reads)}
    record(actor=actor, action="token.make", project=project, target=name, detail=detail, request=request)
    return MadeToken(token, text)


@transaction.atomic
def revoke(token: AccessToken, *, actor: User, request: HttpRequest | None = None) -> None:
    """Make a token worthless from the next request on. Raises Refused if it was already."""
    now = timezone.now()
    if AccessToken.objects.open_at(now).filter(pk=token.pk).update(revoked_at=now) != 1:
        raise Refused(f"The token {token.name} was withdrawn already, or is too old to be used.")
    record(
        actor=actor,
        action="token.revoke",
        project=token.project,
        target=token.name,
        detail={"of": token.user.username},
        request=request,
    )


def admit(*, username: str, text: str) -> Admitted:
    """The token of that text, whose maker is ``username``. Raises TokenRefused. Three queries."""
    if not text.startswith(PREFIX) or "\0" in username:
        raise TokenRefused(_UNKNOWN)
    found = _all().filter(token_hash=token_hash(text), user__username=username).first()
    return _checked(found)


def admit_bearer(text: str) -> Admitted:
    """The token of that text, whoever made it. Raises TokenRefused. Three queries.

    It is found by its SHA-256 (of 256 random bits), so how long that takes tells nothing about tokens.
    """
    return _checked(_all().filter(token_hash=token_hash(text)).first() if text.startswith(PREFIX) else None)


def admit_again(token_id: int) -> Admitted:
    """The same for a token that was admitted before: what is true by now counts. Raises TokenRefused."""
    return _checked(_all().filter(pk=token_id).first())


def _all() -> QuerySet[AccessToken]:
    return AccessToken.objects.select_related("user", "project")


def _checked(token: AccessToken | None) -> Admitted:
    now = timezone.now()
    if token is None:
        raise TokenRefused(_UNKNOWN)
    state = token.state_at(now)
    if state != "valid":
        what = "was withdrawn" if state == "revoked" else "is too old"
        raise TokenRefused(f"The access token {token.name} {what}. Make another one.", token)
    given = Role(token.role)
    held = (token.project.role_of(token.user) if token.project else given) if token.user.is_active else None
    if held is None:
        raise TokenRefused(f"Whoever made the access token {token.name} is no member any more.", token)
    if token.last_used_at is None or now - token.last_used_at > USE_EVERY:
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Admitted(token, lower(given, held))


def record_refused(refused: TokenRefused, address: str) -> None:
    """Audit a log-in from ``address`` that failed, with the token if it is one that was known."""
    token = refused.token
    record(
        actor="(not logged in)",
        action="token.log-in-failed",
        project=token.project if token else None,
        target=token.name if token else "an unknown token",
        detail={"address": address},
    )
