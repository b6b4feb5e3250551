"""Redis as Celery's broker, made to outlive the loss of Redis while a late-acknowledged task runs.

kombu 5.7 then takes the channel apart under the message that is still out: putting it back (kombu #582, #970) and
acknowledging it later both end in an AttributeError that ends the worker, and with it every operation in it. Here
nothing is put back, since the tick sends again what is due, and an acknowledgement that comes too late is dropped:
a message that comes twice finds its operation claimed.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as LostConnection


class Channel(redis.Channel):
    """A channel that can be asked for its connection after it has lost it."""

    do_restore = False

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Nothing to do once the connection is lost: the message may come again, which harms nothing here."""
        if self.connection is not None:
            super().basic_ack(delivery_tag, multiple=multiple)

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if self.connection is None:
            raise LostConnection("The connection of this channel is closed.")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]


def install() -> None:
    """Let every Redis connection of this process, by TCP or by socket, make such channels."""
    redis.Transport.Channel = Channel
