"""What ``ffs doctor`` looks at of accounts: whether anybody administers, and whether second factors open."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from allauth.mfa.models import Authenticator

from ffsweb.doctor.findings import Check, Finding, fail, ok
from ffsweb.doctor.sealed import SAMPLE, Sealed, sample

from .mfa import CONTEXT
from .models import User

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (Check("accounts", _look, database=True),)


def judge(administrators: int) -> Finding:
    """Pure. ``administrators``: those that are active."""
    if not administrators:
        return fail("No active account is an administrator.", "`ffs banner` prints a link for the first one.")
    return ok(f"{administrators} active administrators.")


def _look() -> Iterator[Finding]:
    yield judge(User.objects.filter(is_active=True, is_administrator=True).count())
    yield sample("Second factors", _factors, web=True)


def _factors() -> Sealed:
    for row in Authenticator.objects.order_by("-pk")[:SAMPLE]:
        for name in ("secret", "seed"):
            if sealed := row.data.get(name):
                yield f"{row.type} of {row.user}", base64.b64decode(sealed), CONTEXT
