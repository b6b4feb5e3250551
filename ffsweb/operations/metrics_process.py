"""What Prometheus is told of this web process, and of the broker behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import redis

from ffsweb.celery import app
from ffsweb.web.metrics import single

from . import slots, tail, wakeup
from .limits import streams_per_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

UNACKNOWLEDGED: Final = "unacked"
"""Where kombu keeps what workers have taken and not finished (kombu.transport.redis, ``unacked_key``)."""


def streams() -> Iterator[Metric]:
    """Of this process alone. No query."""
    yield single("log_streams", "Event streams that this web process serves now.", slots.held())
    yield single("log_streams_limit", "Event streams that this web process serves at most.", streams_per_process())
    yield single("log_readers", "Operations whose log this web process follows now.", tail.reading())


def broker() -> Iterator[Metric]:
    """No query; one exchange with Redis or Valkey, of at most ``wakeup.TIMEOUT`` for each connecting and answering.

    Wake-ups that were lost or expired are sent again, so this is no measure of the work that waits.
    """
    client = wakeup.client()
    queued: Any
    taken: Any
    try:
        with client:
            pipeline = client.pipeline(transaction=False)
            pipeline.llen(str(app.conf.task_default_queue))
            pipeline.hlen(UNACKNOWLEDGED)
            queued, taken = pipeline.execute()
    except (redis.RedisError, OSError):
        yield single("broker_up", "Whether Redis or Valkey answered.", 0)
        return
    yield single("broker_up", "Whether Redis or Valkey answered.", 1)
    text = "Wake-ups in the broker that no worker took; the queue itself is ffsweb_operations_claimable."
    yield single("broker_messages", text, queued)
    yield single("broker_messages_taken", "Wake-ups that workers have taken and not finished.", taken)
