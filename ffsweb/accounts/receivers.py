"""Log-ins, log-outs and changes of factors, as django and allauth tell them, into the audit log."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from ffsweb.audit.services import record

from .models import User

NOBODY = "(not logged in)"


@receiver(user_logged_in)
def _logged_in(user: User, request: HttpRequest, **_: Any) -> None:
    record(actor=user, action="session.log-in", target=user.username, request=request)


@receiver(user_logged_out)
def _logged_out(user: User | None, request: HttpRequest, **_: Any) -> None:
    if user is not None:
        record(actor=user, action="session.log-out", target=user.username, request=request)


@receiver(user_login_failed)
def _log_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Only names that exist are kept: people type passwords into the name's field."""
    typed = str(credentials.get("username", ""))[:150]
    known = User.objects.filter(username__iexact=typed).first() if "\0" not in typed else None
    record(
        actor=NOBODY,
        action="session.log-in-failed",
        target=known.username if known else "an unknown name",
        request=request,
    )


@receiver(mfa.authentication_failed)
def _factor_failed(request: HttpRequest, user: User, **_: Any) -> None:
    record(actor=NOBODY, action="session.second-factor-failed", target=user.username, request=request)


@receiver(password_changed)
def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    record(actor=user, action="user.password-change", target=user.username, request=request)


@receiver(mfa.authenticator_added)
def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _factor("user.second-factor-add", request, user, authenticator)


@receiver(mfa.authenticator_removed)
def _factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _factor("user.second-factor-remove", request, user, authenticator)


@receiver(mfa.authenticator_reset)
def _factor_reset(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _factor("user.recovery-codes-new", request, user, authenticator)


def _factor(action: str, request: HttpRequest, user: User, authenticator: Authenticator) -> None:
    detail = {"type": str(authenticator.type)}
    record(actor=user, action=action, target=user.username, detail=detail, request=request)
