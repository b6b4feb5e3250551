"""What a reader of a log waits for: a wake-up through Redis, or the time to look without one."""

from __future__ import annotations

import time
from typing import Final

import redis
import structlog

from . import wakeup

logger = structlog.get_logger(__name__)

LOOK_EVERY: Final = 2.0
"""Seconds after which a reader looks even if nobody woke it: a wake-up may be lost."""

LOOK_WITHOUT_REDIS: Final = 0.5


class Bell:
    """Waits for a wake-up of one operation, or for the time to look without one."""

    def __init__(self, operation_id: int) -> None:
        self._channel = wakeup.channel(operation_id)
        self._subscription: redis.client.PubSub | None = None
        self._client: redis.Redis | None = None
        self._not_before = 0.0

    def wait(self) -> None:
        """Return when woken, or after LOOK_EVERY; without Redis after LOOK_WITHOUT_REDIS."""
        try:
            if self._subscription is None and time.monotonic() >= self._not_before:
                self._connect()
                return  # what was written before the subscription woke nobody
            if self._subscription is not None:
                self._subscription.get_message(timeout=LOOK_EVERY)
                while self._subscription.get_message(timeout=0.0):
                    pass  # many wake-ups at once are one
                return
        except (redis.RedisError, OSError) as error:
            logger.warning("wakeup_not_received", error=str(error))
            self._not_before = time.monotonic() + wakeup.RETRY_AFTER
            self.close()
        time.sleep(LOOK_WITHOUT_REDIS)

    def _connect(self) -> None:
        self._client = wakeup.client()
        self._subscription = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._subscription.subscribe(self._channel)

    def close(self) -> None:
        """Give the connection back."""
        if self._subscription is not None:
            self._subscription.close()
        if self._client is not None:
            self._client.close()
        self._subscription = self._client = None
