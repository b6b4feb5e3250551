"""Invitations and new-password links: how people come in when nobody can sign up and no mail is sent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.audit.services import record

from . import links
from .errors import LinkSpent, Refused
from .models import Membership, OneTimeLink, Project, Role, User

LIFETIME = dt.timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Made:
    """A link that was just made; ``token`` is shown to the inviter once and kept nowhere."""

    link: OneTimeLink
    token: str


@transaction.atomic
def invite(
    *,
    actor: User,
    username: str,
    project: Project | None = None,
    role: Role = Role.VIEWER,
    administrator: bool = False,
    request: HttpRequest | None = None,
) -> Made:
    """A link by which ``username`` makes an account and becomes a member of ``project``. Good for three days, once.

    A link of that name that was still open (in the same project) is withdrawn. Raises ``Refused`` when the name is
    taken.
    """
    if administrator and not actor.is_administrator:
        raise Refused("Only an administrator can invite an administrator. Nobody was invited.")
    if User.objects.filter(username__iexact=username).exists():
        raise Refused(f"There is an account named {username} already. Add it as a member instead.")
    OneTimeLink.objects.open_at(timezone.now()).filter(
        kind=OneTimeLink.Kind.INVITATION, username=username, project=project
    ).update(revoked_at=timezone.now())
    link, token = links.make(
        lifetime=LIFETIME,
        kind=OneTimeLink.Kind.INVITATION,
        username=username,
        project=project,
        role=role if project else "",
        administrator=administrator,
        created_by=actor,
    )
    detail = {"role": role.value} if project else {"administrator": administrator}
    record(actor=actor, action="user.invite", project=project, target=username, detail=detail, request=request)
    return Made(link, token)


def find_invitation(token: str) -> OneTimeLink:
    """The open invitation, or ``LinkSpent``, also when who made it may no longer invite. Up to three queries."""
    link = links.find(token, OneTimeLink.Kind.INVITATION)
    if not _may_still_invite(link):
        raise LinkSpent("Whoever made this invitation may not invite any more. Ask for a new one.")
    return link


@transaction.atomic
def accept(*, token: str, full_name: str, password: str, request: HttpRequest | None = None) -> User:
    """Spend the invitation: the account, and its membership. Raises ``LinkSpent`` and then makes nothing."""
    link = find_invitation(token)
    links.spend(link)
    if User.objects.filter(username__iexact=link.username).exists():
        raise LinkSpent(f"There is an account named {link.username} by now. Ask for an invitation with another name.")
    user = User(username=link.username, first_name=full_name, is_administrator=link.administrator)
    user.set_password(password)
    user.save()
    if link.project:
        Membership.objects.create(user=user, project=link.project, role=link.role)
    record(
        actor=user,
        action="user.join",
        project=link.project,
        target=user.username,
        detail={"invited_by": link.created_by.username if link.created_by else ""},
        request=request,
    )
    return user


@transaction.atomic
def withdraw(link: OneTimeLink, *, actor: User, request: HttpRequest | None = None) -> None:
    """Make an open link worthless; ``LinkSpent`` when it was spent or withdrawn meanwhile."""
    now = timezone.now()
    if OneTimeLink.objects.open_at(now).filter(pk=link.pk).update(revoked_at=now) != 1:
        raise LinkSpent("This link was used or withdrawn already.")
    record(actor=actor, action="user.link-withdraw", project=link.project, target=link.username, request=request)


@transaction.atomic
def password_link(user: User, *, actor: User, request: HttpRequest | None = None) -> Made:
    """A link by which ``user`` sets a new password. The old one counts until then; earlier links are withdrawn."""
    now = timezone.now()
    OneTimeLink.objects.open_at(now).filter(kind=OneTimeLink.Kind.PASSWORD, user=user).update(revoked_at=now)
    link, token = links.make(
        lifetime=LIFETIME,
        kind=OneTimeLink.Kind.PASSWORD,
        user=user,
        username=user.username,
        created_by=actor,
    )
    record(actor=actor, action="user.password-link", target=user.username, request=request)
    return Made(link, token)


def find_password_link(token: str) -> OneTimeLink:
    """The open new-password link of an active account, or ``LinkSpent``."""
    link = links.find(token, OneTimeLink.Kind.PASSWORD)
    if link.user is None or not link.user.is_active:
        raise LinkSpent(links.SPENT)
    return link


@transaction.atomic
def set_password(*, token: str, password: str, request: HttpRequest | None = None) -> User:
    """Spend the link and set the password; every session of the account ends. Two factors stay as they are."""
    link = find_password_link(token)
    links.spend(link)
    user = link.user
    if user is None:
        raise LinkSpent(links.SPENT)
    user.set_password(password)
    user.save(update_fields=["password"])
    record(actor=user, action="user.password-set", target=user.username, request=request)
    return user


def _may_still_invite(link: OneTimeLink) -> bool:
    inviter = link.created_by
    if inviter is None or not inviter.is_active:
        return False
    if link.project is None or link.administrator:
        return inviter.is_administrator
    return link.project.role_of(inviter) is Role.ADMIN
