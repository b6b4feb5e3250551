"""The worker sends what is due.

A mail is claimed by compare-and-swap, handed to the server, and only then marked as sent. If the worker is killed
between the server's word and the mark, the mail goes out once more: the one place where it can be doubled. Both then
have the same Message-ID. Nowhere can one be lost: what is not marked is tried again.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db.models import Q
from django.utils import timezone

from ffsweb.operations.stopping import process
from ffsweb.sealed import SealedError

from . import digest
from . import server as servers
from .backoff import PATIENCE, SERVER_PATIENCE, pause_after
from .letter import one_line
from .models import Message
from .recipients import is_still_one
from .smtp import Later, Line, Refused, ServerProblem, line

if TYPE_CHECKING:
    from .server import Server

logger = structlog.get_logger(__name__)

BATCH = 200
SECONDS = 60.0
"""Mails of one tick, and how long it goes on: the next one does the rest."""
FRESH = timedelta(minutes=30)
"""Who gets a mail was decided when it was written; one that is older is looked at once more."""


def send_due() -> int:
    """Send what is due, over one connection; how many were sent. Ends early when the worker stops.

    Two queries if nothing is due. Several may run at once: each mail is sent by one of them.
    """
    now = timezone.now()
    _give_up(now)
    due = list(Message.objects.due(now).order_by("next_at", "pk").values_list("pk", flat=True)[:BATCH])
    if not due:
        return 0
    try:
        server = servers.in_use()
    except SealedError as error:
        _server_failed(now, ServerProblem(f"The password of the mail server cannot be opened. {error}"), attempts=1)
        return 0
    return _Tick(server).send(due) if server is not None else 0


class _Tick:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._line: Line | None = None
        self._sent = 0

    def send(self, due: list[int]) -> int:
        until = time.monotonic() + SECONDS
        with ExitStack() as stack:
            for pk in due:
                if process.stopping or time.monotonic() >= until:
                    break
                message = Message.objects.select_related("project").claim(pk, timezone.now())
                if message is not None and not self._send(message, stack):
                    break
        return self._sent

    def _send(self, message: Message, stack: ExitStack) -> bool:
        """Whether the server is still good for the next one."""
        try:
            _look_at_who(message)
            if self._line is None:
                self._line = stack.enter_context(line(self._server))
            self._line.send(message)
        except Refused as error:
            _keep(message, error, state=Message.State.GIVEN_UP)
        except Later as error:
            _keep(message, error)
        except ServerProblem as error:
            _keep(message, error, waits_for_server=True)
            _server_failed(timezone.now(), error, attempts=message.attempts)
            return False
        else:
            self._took(message)
        return True

    def _took(self, message: Message) -> None:
        # Whoever has the claim now: the server has the mail, so nobody may send it again.
        Message.objects.filter(pk=message.pk).update(
            state=Message.State.SENT, sent_at=timezone.now(), claim="", claimed_until=None, last_error="",
            waits_for_server=False,
        )  # fmt: skip
        if self._sent == 0:  # the server is there: what waited for it need not wait longer
            Message.objects.queued().filter(waits_for_server=True).update(next_at=timezone.now())
        self._sent += 1


def _look_at_who(message: Message) -> None:
    """Raise Refused if a mail waited so long that whom it is for has left meanwhile."""
    now = timezone.now()
    if now - message.created_at <= FRESH:
        return
    if message.project is not None and not is_still_one(message.project, message.address):
        raise Refused(f"{message.address} belongs to nobody in {message.project.name} any more.")
    if message.project is None and message.key.startswith(digest.OF_USER) and (why := digest.gone_by(message, now)):
        raise Refused(why)


def _keep(
    message: Message, error: Exception, *, state: str = Message.State.QUEUED, waits_for_server: bool = False
) -> None:
    """Write why it was not sent, and when it is tried again; nothing, if the claim was lost meanwhile."""
    logger.warning("mail_not_sent", message=message.pk, attempts=message.attempts, reason=str(error))
    reached = message.waits_for_server and not waits_for_server  # its own patience counts from now
    give_up_at = timezone.now() + PATIENCE if reached else message.give_up_at
    Message.objects.filter(pk=message.pk, claim=message.claim).update(
        state=state,
        next_at=timezone.now() + pause_after(message.attempts),
        last_error=one_line(str(error), 500),
        waits_for_server=waits_for_server,
        give_up_at=give_up_at,
        claim="",
        claimed_until=None,
    )


def _server_failed(now: datetime, error: ServerProblem, *, attempts: int) -> None:
    """The others that are due would fail in the same way: they wait as long, without an attempt of their own."""
    Message.objects.due(now).update(
        next_at=now + pause_after(attempts), last_error=one_line(str(error), 500), waits_for_server=True
    )


def _give_up(now: datetime) -> None:
    very_old = Q(give_up_at__lte=now - (SERVER_PATIENCE - PATIENCE))
    old = Message.objects.due(now).filter(very_old | Q(give_up_at__lte=now, waits_for_server=False))
    for pk, error, waited in old.values_list("pk", "last_error", "waits_for_server")[:1000]:
        span = f"{SERVER_PATIENCE.days} days" if waited else "a week"
        reason = f"It could not be sent for {span}. {error or 'There is no mail server.'}"
        Message.objects.due(now).filter(pk=pk).update(state=Message.State.GIVEN_UP, last_error=reason)
        logger.warning("mail_given_up", message=pk, reason=reason)
