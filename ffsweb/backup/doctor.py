"""What ``ffs doctor`` looks at of backups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils import timezone

from ffsweb.doctor.findings import Check, Finding, fail, ok, warn
from ffsweb.web.measures import span_in_words

from .models import Backup, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD: Final = timedelta(days=2)
UNSEEN: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class State:
    """``last``: the newest backup, None for none; ``looked`` and ``trouble``: of the daily look."""

    now: datetime
    last: datetime | None = None
    looked: datetime | None = None
    trouble: str = ""


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (Check("backup", lambda: judge(_state()), database=True),)


def judge(found: State) -> Iterator[Finding]:
    """Pure."""
    advice = "See docs/backup.md: `ffs backup`, every night, to another machine."
    if found.trouble:
        yield fail(found.trouble, "Until that is put right, a restore would not do. See docs/backup.md.")
    if found.last is None:
        yield warn("No backup was made here.", advice)
    elif found.now - found.last > OLD:
        yield warn(f"The newest backup is {span_in_words(found.now - found.last)} old.", advice)
    if found.looked is not None and found.now - found.looked > UNSEEN:
        age = span_in_words(found.now - found.looked)
        yield warn(f"Nobody looked for {age} whether a restore would do.", "Are clock and worker there?")
    elif not found.trouble and found.last is not None and found.now - found.last <= OLD:
        yield ok(f"The newest backup is {span_in_words(found.now - found.last)} old.")


def _state() -> State:
    """Two queries."""
    last, watch = Backup.objects.first(), Watch.objects.first()
    return State(
        timezone.now(),
        last.made_at if last else None,
        watch.looked_at if watch else None,
        watch.trouble if watch else "",
    )
