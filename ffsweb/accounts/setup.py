"""The first administrator: made through a one-time link that the installation prints, never by a default password."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ffsweb.audit.services import record

from . import links
from .errors import LinkSpent
from .models import OneTimeLink, User

LIFETIME = dt.timedelta(hours=24)


def first_admin_link(base_url: str = "") -> str | None:
    """The address at which the first administrator is made, or None when there is one already.

    ``base_url`` (``http://127.0.0.1:8000``) is put before the path. Each call makes a new link, good for 24 hours and
    once, and withdraws those before it. Commits nothing else.
    """
    with transaction.atomic():
        if _has_administrator():
            return None
        open_links = OneTimeLink.objects.filter(kind=OneTimeLink.Kind.FIRST_ADMINISTRATOR, used_at=None)
        open_links.filter(revoked_at=None).update(revoked_at=timezone.now())
        _link, token = links.make(lifetime=LIFETIME, kind=OneTimeLink.Kind.FIRST_ADMINISTRATOR)
    return base_url.rstrip("/") + reverse("accounts:first", args=[token])


def find_first_admin_link(token: str) -> OneTimeLink:
    """The open link, or ``LinkSpent``; an installation with an administrator has none."""
    if _has_administrator():
        raise LinkSpent("This installation has an administrator already. Log in, or ask them for an invitation.")
    return links.find(token, OneTimeLink.Kind.FIRST_ADMINISTRATOR)


@transaction.atomic
def create_first_administrator(
    *, token: str, username: str, full_name: str, password: str, request: HttpRequest | None = None
) -> User:
    """Spend the link and make the administrator; raises ``LinkSpent`` and then makes nobody."""
    links.spend(find_first_admin_link(token))
    user = User(username=username, first_name=full_name, is_administrator=True)
    user.set_password(password)
    user.save()
    record(actor=user, action="setup.first-administrator", target=username, request=request)
    return user


def _has_administrator() -> bool:
    return User.objects.filter(is_administrator=True).exists()
