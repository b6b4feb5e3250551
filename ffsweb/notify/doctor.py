"""What ``ffs doctor`` looks at of mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Count, Min
from django.utils import timezone

from ffsweb.doctor.findings import Check, Finding, fail, ok, warn
from ffsweb.doctor.sealed import sample
from ffsweb.web.measures import span_in_words

from . import server
from .models import MailServer, Message
from .sealed_kinds import PASSWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

STUCK: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Outbox:
    """``name`` of the mail server, "" for none; what waits, since when, and the last error of what waits."""

    now: datetime
    name: str
    waiting: int = 0
    since: datetime | None = None
    error: str = ""
    given_up: int = 0


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (
        Check("mail", lambda: judge(_outbox()), database=True),
        Check("mail password", lambda: sample(PASSWORDS), database=True),
    )


def judge(found: Outbox) -> Iterator[Finding]:
    """Pure."""
    wrong = list(_trouble(found))
    yield from wrong
    if not wrong:
        yield ok(f"{found.waiting} mails wait; they go to {found.name}.")


def _trouble(found: Outbox) -> Iterator[Finding]:
    if not found.name:
        text = "There is no mail server: nobody is told of certificates that end, or of services that fail."
        yield warn(text, "Enter one under *System → Mail*, or set FFSWEB_EMAIL_URL.")
    if found.since is not None and found.now - found.since > STUCK:
        age = span_in_words(found.now - found.since)
        said = f" The last error: {found.error}" if found.error else ""
        yield fail(f"{found.waiting} mails wait, the oldest for {age}.{said}", "*System → Mail* has a mail on trial.")
    if found.given_up:
        text = f"{found.given_up} mails of the last day were given up."
        yield warn(text, "*System → Mail* says which, and what the server said.")


def _outbox() -> Outbox:
    """Four queries."""
    now = timezone.now()
    entered = MailServer.objects.filter(pk=1).first()
    given = server.of_environment()
    name = str(entered) if entered else f"{given.host}:{given.port}" if given else ""
    queued = Message.objects.queued()
    waiting = queued.aggregate(number=Count("pk"), since=Min("created_at"))
    errors = queued.exclude(last_error="").order_by("-tried_at").values_list("last_error", flat=True)
    lost = Message.objects.filter(state=Message.State.GIVEN_UP, created_at__gte=now - timedelta(days=1))
    return Outbox(now, name, waiting["number"], waiting["since"], errors.first() or "", lost.count())
