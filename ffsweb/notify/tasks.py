"""The outbox's ticks."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from ffsweb.celery import app, every

from . import digest, outbox, sending

logger = structlog.get_logger(__name__)
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
    transaction.on_commit(_wake)


def _wake() -> None:
    try:
        app.send_task(SEND, retry=False, expires=15.0)
    except OperationalError as error:
        logger.warning("mail_not_announced", error=str(error))
