"""The ticks of webhooks."""

from __future__ import annotations

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

from ffsweb.celery import app, every

from . import outbox, sending

logger = structlog.get_logger(__name__)
SEND = "webhooks.send"

every(15.0, task=SEND)
every(6 * 3600.0, task="webhooks.forget")


@app.task(name=SEND)
def send() -> None:
    """Post what is due."""
    sending.send_due()


@app.task(name="webhooks.forget")
def forget() -> None:
    """Remove what was taken or given up long ago."""
    outbox.forget_old()


def send_soon() -> None:
    """Let a worker post what is due when the transaction under way is committed; the tick does it anyway."""
    transaction.on_commit(_wake)


def _wake() -> None:
    try:
        app.send_task(SEND, retry=False, expires=15.0)
    except OperationalError as error:
        logger.warning("webhook_not_announced", error=str(error))
