"""What Prometheus is told of the broker, by a real one."""

from __future__ import annotations

from ffsweb.operations import messages
from ffsweb.operations.metrics_process import broker

from .processes import RedisServer


def figures() -> dict[str, float]:
    return {sample.name.removeprefix("ffsweb_"): sample.value for family in broker() for sample in family.samples}


def test_wake_ups_are_counted_where_celery_keeps_them(redis_server: RedisServer, redis_broker: None) -> None:
    assert figures() == {"broker_up": 1, "broker_messages": 0, "broker_messages_taken": 0}
    assert messages.send(1)
    assert messages.send(2)
    assert figures() == {"broker_up": 1, "broker_messages": 2, "broker_messages_taken": 0}


def test_a_broker_that_is_away_is_told_of_and_nothing_else(redis_server: RedisServer) -> None:
    redis_server.stop()
    assert figures() == {"broker_up": 0}
