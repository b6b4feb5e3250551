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


SOON = 15.0
"""Seconds after which the message about a tick is worth nothing: the clock has sent the next one."""


def send(operation_id: int) -> bool:
    """Tell the workers that the operation can be claimed. False if the broker is away: the tick tells them later."""
    return _send(RUN_TASK, MESSAGE_EXPIRES, operation_id, lost="operation_not_announced", operation=operation_id)


def send_on_commit(operation_id: int) -> None:
    """:func:`send`, when the transaction under way is committed."""
    transaction.on_commit(functools.partial(send, operation_id))


def tick_on_commit(task: str, *, lost: str) -> None:
    """Let a worker run ``task``, a tick, as soon as the transaction under way is committed.

    ``lost``: the event that is logged if the broker is away; the clock's next tick does it then.
    """
    transaction.on_commit(functools.partial(_send, task, SOON, lost=lost))


def _send(task: str, expires: float, *arguments: int, lost: str, **told: int) -> bool:
    try:
        app.send_task(task, args=arguments, retry=False, expires=expires)
    except OperationalError as error:
        logger.warning(lost, **told, error=str(error))
        return False
    return True
