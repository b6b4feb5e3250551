"""The ticks of webhooks."""

from __future__ import annotations

from ffsweb.celery import app, every
from ffsweb.operations import messages

from . import outbox, sending

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
    messages.tick_on_commit(SEND, lost="webhook_not_announced")
