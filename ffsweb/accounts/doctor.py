"""What ``ffs doctor`` looks at of accounts: whether anybody administers, and whether second factors open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffsweb.doctor.findings import Check, Finding, fail, ok
from ffsweb.doctor.sealed import sample

from .models import User
from .sealed_kinds import FACTORS

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
    yield sample(FACTORS)
