"""One-time links: making, finding and spending them. The token is shown once; the database holds its hash."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Any

from django.utils import timezone

from .errors import LinkSpent
from .models import OneTimeLink

SPENT = "This link was used already, was withdrawn, or is too old. Ask for a new one."


def make(*, lifetime: dt.timedelta, **fields: Any) -> tuple[OneTimeLink, str]:
    """A new link and its token (256 random bits), which cannot be had again. One query."""
    token = secrets.token_urlsafe(32)
    link = OneTimeLink.objects.create(token_hash=token_hash(token), expires_at=timezone.now() + lifetime, **fields)
    return link, token


def find(token: str, *kinds: OneTimeLink.Kind) -> OneTimeLink:
    """The open link of this token, or ``LinkSpent``. One query."""
    links = OneTimeLink.objects.open_at(timezone.now()).select_related("user", "project", "created_by")
    link = links.filter(token_hash=token_hash(token), kind__in=kinds).first()
    if link is None:
        raise LinkSpent(SPENT)
    return link


def spend(link: OneTimeLink) -> None:
    """Use the link up, or ``LinkSpent`` when somebody was faster. Inside the caller's transaction."""
    now = timezone.now()
    if OneTimeLink.objects.open_at(now).filter(pk=link.pk).update(used_at=now) != 1:
        raise LinkSpent(SPENT)


def token_hash(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
