"""What an administrator does to accounts: each is audited, and the last administrator is safe."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.audit.services import record

from .errors import Refused
from .models import OneTimeLink, User


@transaction.atomic
def deactivate(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """``user`` can no longer log in, every session ends, and links that they made or were given are withdrawn."""
    if user == actor:
        raise Refused("You cannot deactivate your own account. Another administrator can.")
    _keep_an_administrator(user)
    User.objects.filter(pk=user.pk).update(is_active=False, sessions_generation=F("sessions_generation") + 1)
    now = timezone.now()
    for links in (user.links_made, user.links):
        OneTimeLink.objects.open_at(now).filter(pk__in=links.values("pk")).update(revoked_at=now)
    record(actor=actor, action="user.deactivate", target=user.username, request=request)


@transaction.atomic
def activate(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """``user`` can log in again, with the memberships they had."""
    User.objects.filter(pk=user.pk).update(is_active=True)
    record(actor=actor, action="user.activate", target=user.username, request=request)


@transaction.atomic
def make_administrator(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """``user`` becomes an administrator of the installation: an admin of every project, and of all people."""
    User.objects.filter(pk=user.pk).update(is_administrator=True)
    record(actor=actor, action="user.administrator-add", target=user.username, request=request)


@transaction.atomic
def remove_administrator(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """``user`` keeps the account and the memberships, no more. ``Refused`` for the last administrator."""
    _keep_an_administrator(user)
    User.objects.filter(pk=user.pk).update(is_administrator=False)
    record(actor=actor, action="user.administrator-remove", target=user.username, request=request)


@transaction.atomic
def end_sessions(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """Every session of ``user`` ends at its next request."""
    User.objects.filter(pk=user.pk).update(sessions_generation=F("sessions_generation") + 1)
    record(actor=actor, action="user.sessions-end", target=user.username, request=request)


@transaction.atomic
def remove_second_factor(user: User, *, actor: User, request: HttpRequest | None = None) -> None:
    """``user`` lost the phone: log-in takes the password alone until they set a factor up again."""
    if not Authenticator.objects.filter(user=user).delete()[0]:
        raise Refused(f"{user.username} has no second factor. Nothing was changed.")
    record(actor=actor, action="user.second-factor-remove", target=user.username, request=request)


def _keep_an_administrator(user: User) -> None:
    """``Refused`` if ``user`` is the last active administrator. Locks the administrators' rows until commit."""
    administrators = User.objects.select_for_update().filter(is_administrator=True, is_active=True)
    if [found.pk for found in administrators] == [user.pk]:
        raise Refused(
            f"{user.username} is the last administrator. Make somebody else one first. Nothing was changed."
        )
