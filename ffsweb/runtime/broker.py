"""The broker, for worker and beat: never waited for without a limit, and missed aloud.

A broker that is away is no hang: no restart brings it back, and one would cut off the operations that run, which need
it for nothing. So the supervisor is told that the process waits, and for what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from celery import Celery

    from ffsweb.runtime.heartbeat import Heartbeat

AWAY: Final = "the broker does not answer"
TIMEOUT: Final = 5.0
"""Seconds that one answer of the broker may take. Well below the 30 s after which a silent process is replaced."""


def bound(app: Celery[Any]) -> None:
    """Have a broker that accepts connections and then says nothing count as one that is away."""
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, "socket_timeout": TIMEOUT}


def tell_while_away(connection: Any, heartbeat: Heartbeat) -> Any:
    """The same kombu connection: while it tries to connect, which it does for ever, the supervisor is told so."""
    connect = connection.ensure_connection

    def ensure_connection(errback: Any = None, max_retries: Any = None, callback: Any = None, **options: Any) -> Any:
        def at_each_second() -> None:
            heartbeat.waits(AWAY)
            if callback is not None:
                callback()

        return connect(errback, max_retries, callback=at_each_second, **options)

    connection.ensure_connection = ensure_connection
    return connection
