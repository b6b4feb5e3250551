"""Redis as Celery's broker, made to outlive the loss of Redis while a late-acknowledged task runs.

kombu 5.7 then takes the channel apart under the message that is still out: putting it back (kombu #582, #970) and
acknowledging it later both end in an AttributeError that ends the worker, and with it every operation in it. Here
nothing is put back, since the tick sends again what is due, and an acknowledgement that comes too late is the
connection error that Celery expects and logs.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as LostConnection


class Channel(redis.Channel):
    """A channel that can be asked for its connection after it has lost it."""

    do_restore = False

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if self.connection is None:
            raise LostConnection("The connection of this channel is closed.")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]


def install() -> None:
    """Let every Redis connection of this process, by TCP or by socket, make such channels."""
    redis.Transport.Channel = Channel
