"""The broker as a wake-up: it carries one integer, and losing it loses some seconds, not work."""

from __future__ import annotations

import functools

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

from ffsweb.celery import app

from .limits import MESSAGE_EXPIRES

logger = structlog.get_logger(__name__)
RUN_TASK = "operations.run"


def send(operation_id: int) -> bool:
    """Tell the workers that the operation can be claimed. False if the broker is away: the tick tells them later."""
    try:
        app.send_task(RUN_TASK, args=[operation_id], retry=False, expires=MESSAGE_EXPIRES)
    except OperationalError as error:
        logger.warning("operation_not_announced", operation=operation_id, error=str(error))
        return False
    return True


def send_on_commit(operation_id: int) -> None:
    """:func:`send`, when the transaction under way is committed."""
    transaction.on_commit(functools.partial(send, operation_id))
