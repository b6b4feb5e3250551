"""Redis as a wake-up for the readers of a log: "there is something new of operation 42". It carries no line.

Without Redis nothing is lost: readers look into the database by themselves, only not at once.
"""

from __future__ import annotations

import threading
import time
from typing import Final

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = structlog.get_logger(__name__)

TIMEOUT: Final = 1.0
RETRY_AFTER: Final = 5.0
"""Seconds without trying after Redis did not answer: a log must not wait for it at every line."""


def client() -> redis.Redis:
    """A new client of ``settings.REDIS_URL``, with short deadlines."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),  # the default tries for seconds, and a log line would wait for it
    )


def channel(operation_id: int) -> str:
    """The channel of one operation."""
    return f"ffsweb:operation:{operation_id}"


class _Publisher:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._not_before = 0.0

    def publish(self, operation_id: int) -> None:
        if time.monotonic() < self._not_before:
            return
        try:
            self._connected().publish(channel(operation_id), b"1")
        except redis.RedisError as error:
            self._not_before = time.monotonic() + RETRY_AFTER
            logger.warning("wakeup_not_sent", operation=operation_id, error=str(error))

    def _connected(self) -> redis.Redis:
        with self._lock:
            if self._client is None:
                self._client = client()
            return self._client


_publisher = _Publisher()


def publish(operation_id: int) -> None:
    """Wake the readers of the operation. Never raises, and takes at most TIMEOUT, once in RETRY_AFTER."""
    _publisher.publish(operation_id)
