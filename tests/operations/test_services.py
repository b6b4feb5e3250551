"""Enqueueing, holding, cancelling, and the tick that makes the broker expendable."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now

from ffsweb.audit.models import AuditEvent
from ffsweb.operations import claims, messages, services
from ffsweb.operations.models import Hold, Operation, OperationTarget
from ffsweb.operations.services import Busy, NotPossible, Target


def age(operation: Operation, **values: object) -> None:
    Operation.objects.filter(pk=operation.pk).update(sent_at=Now() - timedelta(seconds=11), **values)


def test_the_worker_is_told_after_the_commit_and_not_before(enqueue, broker):
    with transaction.atomic():
        operation = enqueue("any")
        assert broker.taken() == []
    assert broker.taken() == [operation.pk]


def test_nothing_is_left_and_nobody_told_if_the_callers_transaction_fails(enqueue, broker):
    with pytest.raises(RuntimeError), transaction.atomic():
        enqueue("any", holds=("service:1",), targets=(Target("service:1", "www"),))
        raise RuntimeError
    assert broker.taken() == []
    assert not Operation.objects.exists()
    assert not Hold.objects.exists()


def test_busy_says_who_holds_it_why_and_since_when(enqueue, broker):
    first = enqueue("deploy", holds=("service:1", "service:2"), targets=(Target("service:2", "www@node-b"),))
    with transaction.atomic():
        with pytest.raises(Busy) as refused:
            enqueue("restart", holds=("service:2", "service:3"))
        assert Operation.objects.count() == 1  # the caller's transaction goes on
    busy = refused.value
    assert (busy.resource, busy.label, busy.holder_id, busy.actor) == ("service:2", "www@node-b", first.pk, "bob")
    assert busy.since == Hold.objects.get(resource="service:2").since
    for part in ("www@node-b", f"operation {first.pk}", "Test deploy", "bob", "Nothing was started", "UTC"):
        assert part in str(busy)
    assert Hold.objects.count() == 2
    assert broker.taken() == [first.pk]
    enqueue("restart", holds=("service:3",))


def test_of_two_operators_at_once_exactly_one_gets_it(enqueue, broker):
    start, outcomes = threading.Barrier(6), []

    def ask(wanted: tuple[str, ...]) -> None:
        start.wait()
        try:
            enqueue("deploy", holds=wanted)
            outcomes.append("started")
        except Busy:
            outcomes.append("busy")
        finally:
            connections.close_all()

    wishes = [("a", "b"), ("b", "a"), ("b",), ("a", "b", "c"), ("c", "b"), ("b", "b")]
    threads = [threading.Thread(target=ask, args=(wish,)) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 5 + ["started"]
    assert Operation.objects.count() == 1


def test_what_has_not_begun_is_cancelled_at_once_and_holds_nothing_any_more(enqueue, bob, broker):
    operation = enqueue("any", holds=("service:1",), targets=(Target("service:1", "www"),))
    services.cancel(operation, actor=bob)
    operation.refresh_from_db()
    assert (operation.state, operation.message) == ("cancelled", "bob cancelled it. Nothing was changed.")
    assert OperationTarget.objects.get().state == "cancelled"
    assert not Hold.objects.exists()
    assert claims.claim(operation.pk, holder="late") is None
    assert [event.action for event in AuditEvent.objects.order_by("sequence")] == [
        "operation.end",
        "operation.cancel",
    ]
    with pytest.raises(NotPossible, match="has ended already"):
        services.cancel(operation, actor=bob)


def test_what_waits_and_has_begun_is_woken_to_clean_up(enqueue, bob, broker):
    operation = enqueue("any", holds=("service:1",))
    Operation.objects.filter(pk=operation.pk).update(state="parked", attempt=1, resume_at=Now() + timedelta(hours=1))
    operation.steps.create(name="switch", attempt=1, state="done", started_at=operation.created_at)
    broker.taken()
    services.cancel(operation, actor=bob)
    operation.refresh_from_db()
    assert operation.state == "parked"
    assert operation.cancelling
    assert broker.taken() == [operation.pk]
    assert Operation.objects.claimable().filter(pk=operation.pk).exists()
    assert Hold.objects.exists()


def test_only_what_waits_can_be_let_go_on(enqueue, bob, broker):
    operation = enqueue("any")
    with pytest.raises(NotPossible, match="is not waiting; it is queued"):
        services.resume(operation, actor=bob)


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({"state": "queued"}, True),
        ({"state": "parked", "resume_at": Now() - timedelta(seconds=1)}, True),
        ({"state": "parked", "resume_at": Now() + timedelta(minutes=1)}, False),
        ({"state": "running", "lease_until": Now() - timedelta(seconds=1)}, True),
        ({"state": "running", "lease_until": Now() + timedelta(minutes=1)}, False),
        ({"state": "succeeded"}, False),
        ({"state": "needs_hands"}, False),
    ],
)
def test_the_tick_sends_again_what_could_be_claimed(enqueue, broker, values, due):
    operation = enqueue("any")
    broker.taken()
    age(operation, **values)
    assert services.tick() == int(due)
    assert broker.taken() == ([operation.pk] if due else [])
    assert services.tick() == 0  # not again so soon


def test_the_tick_leaves_a_message_ten_seconds_to_arrive(enqueue, broker):
    enqueue("any")
    broker.taken()
    assert services.tick() == 0


def test_the_tick_stops_asking_a_broker_that_is_away_and_forgets_nothing(enqueue, broker):
    operations = [enqueue("any") for _ in range(3)]
    broker.taken()
    for operation in operations:
        age(operation)
    broker.go_away()
    assert services.tick() == 0
    broker.come_back()
    for operation in operations:
        age(operation)
    assert services.tick() == 3


def test_a_request_does_not_hang_or_fail_when_the_broker_is_away(enqueue, broker):
    broker.go_away()
    began = time.monotonic()
    operation = enqueue("any")
    assert time.monotonic() - began < 3
    assert Operation.objects.get(pk=operation.pk).state == "queued"
    assert messages.send(operation.pk) is False
