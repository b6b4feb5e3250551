"""The outbox's ticks."""

from __future__ import annotations

from django.utils import timezone

from ffsweb.celery import app, every
from ffsweb.operations import messages

from . import digest, outbox, sending

SEND = "notify.send"

every(15.0, task=SEND)
every(300.0, task="notify.digest")
every(6 * 3600.0, task="notify.forget")


@app.task(name=SEND)
def send() -> None:
    """Send the mails that are due."""
    sending.send_due()


@app.task(name="notify.digest")
def write_digests() -> None:
    """Write the digests whose hour has come."""
    digest.send_due(timezone.now())


@app.task(name="notify.forget")
def forget() -> None:
    """Remove mails of more than a year ago."""
    outbox.forget_old()


def send_soon() -> None:
    """Let a worker send what is due when the transaction under way is committed; the tick does it anyway."""
    messages.tick_on_commit(SEND, lost="mail_not_announced")
