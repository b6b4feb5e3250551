"""What ``ffs doctor`` looks at of webhooks: whether their secrets open, and which were switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffsweb.doctor.findings import Check, Finding, ok, some, warn
from ffsweb.doctor.sealed import sample

from .models import Endpoint
from .sealed_kinds import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (Check("webhooks", _look, database=True),)


def judge(number: int, stopped: tuple[str, ...]) -> Finding:
    """Pure. ``stopped``: names of those that were switched off."""
    if stopped:
        text = f"{len(stopped)} of {number} webhooks were switched off: {some(stopped)}."
        return warn(text, "Mend the receiver, then switch the webhook on again on its page.")
    return ok(f"{number} webhooks, none switched off by itself.")


def _look() -> Iterator[Finding]:
    rows = Endpoint.objects.order_by("pk")
    yield judge(rows.count(), tuple(str(row) for row in rows.exclude(stopped="")[:20]))
    yield sample(SECRETS)
