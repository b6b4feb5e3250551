"""Real workers, a real Redis, the real database: what a kill, a stop and a lost message leave behind."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

from django.db.models.functions import Now

from ffsweb.operations import messages, services
from ffsweb.operations.models import Hold, Operation

from .outcome import lines_of, state_of, ticking
from .processes import wait_until


def test_a_worker_that_is_killed_is_replaced_and_no_line_is_lost_or_doubled(
    enqueue, start_worker, world, redis_broker
):
    first = start_worker()
    operation = enqueue("sample.count", world=str(world), lines=4000, steps=8, pause=0.3, holds=("service:1",))
    wait_until(lambda: operation.steps.filter(state="done").count() >= 2, what="two steps done")
    seen = lines_of(operation)
    first.kill()

    second = start_worker()
    wait_until(
        lambda: ticking() and state_of(operation) == "succeeded",
        seconds=50,
        what="the second worker finishing",
    )

    lines = lines_of(operation)
    assert lines[: len(seen)] == seen
    assert "The worker that ran this vanished. Another one goes on with what is not done yet." in lines
    # A step that was done is not done again; the one that was cut may have acted once before and once after.
    acts = world.read_text().split("\n")[:-1]
    assert sorted(set(acts)) == [f"step {number}" for number in range(8)]
    assert len(acts) <= 9
    operation.refresh_from_db()
    assert (operation.attempt, operation.takeovers) == (2, 1)
    assert not Hold.objects.exists()
    assert second.process.poll() is None


def test_sigterm_parks_what_runs_and_ends_the_worker_in_time(enqueue, start_worker, world, redis_broker):
    worker = start_worker()
    operation = enqueue("sample.wait", world=str(world), holds=("service:1",))
    wait_until(lambda: "began" in world.read_text())
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait(8) == 0
    assert time.monotonic() - began < 8
    operation.refresh_from_db()
    assert operation.state == "parked"
    assert operation.parked_reason == "the worker is stopping; goes on at the next start"
    assert operation.resume_at is not None and not operation.lease_holder
    assert Hold.objects.get().operation_id == operation.pk

    start_worker()  # nobody tells it: it looks by itself when it starts
    wait_until(lambda: operation.steps.filter(attempt=2).exists(), seconds=25, what="the next start going on")
    services.cancel(operation, actor=None)
    wait_until(lambda: state_of(operation) == "cancelled", seconds=5, what="the cancel")
    assert world.read_text() == "began\nbegan\ncleaned up\n"
    assert not Hold.objects.exists()


def test_sigterm_parks_also_what_does_not_listen(enqueue, start_worker, world, redis_broker):
    worker = start_worker()
    operation = enqueue("sample.deaf", world=str(world), seconds=60)
    wait_until(lambda: "began" in world.read_text())
    worker.send(signal.SIGTERM)
    wait_until(lambda: state_of(operation) == "parked", seconds=5, what="parking without the kind's help")
    worker.kill()
    lines = lines_of(operation)
    assert lines[-1] == "Parked: the worker is stopping; goes on at the next start."


def test_redis_flushed_or_down_delays_an_operation_and_loses_none(
    enqueue, start_worker, world, redis_server, redis_broker
):
    start_worker()
    running = enqueue("sample.count", world=str(world), lines=200, steps=4, pause=1.0)
    wait_until(running.steps.exists)
    redis_server.stop()
    waiting = enqueue("sample.count", world=str(world), lines=20, steps=1)
    assert messages.send(waiting.pk) is False
    wait_until(lambda: state_of(running) == "succeeded", seconds=30, what="going on without Redis")
    assert state_of(waiting) == "queued"

    redis_server.start()
    with redis_server.client() as client:
        client.flushall()
    Operation.objects.filter(pk=waiting.pk).update(sent_at=Now() - timedelta(seconds=11))
    wait_until(lambda: services.tick() == 1, seconds=10, what="the tick reaching Redis")
    wait_until(lambda: state_of(waiting) == "succeeded", seconds=40, what="the worker coming back to Redis")
    assert len(lines_of(running)) == 201
    assert len(lines_of(waiting)) == 21
    assert sorted(world.read_text().splitlines()) == ["step 0", "step 0", "step 1", "step 2", "step 3"]
    running.refresh_from_db()
    waiting.refresh_from_db()
    assert (running.attempt, waiting.attempt) == (1, 1)


def test_a_worker_that_sleeps_through_its_lease_is_refused(enqueue, start_worker, world, redis_broker):
    """SIGSTOP, another worker takes over, SIGCONT: what the first one writes then does not count."""
    first = start_worker()
    operation = enqueue("sample.count", world=str(world), lines=4000, steps=8, pause=0.2)
    wait_until(lambda: operation.steps.filter(state="done").exists())
    first.send(signal.SIGSTOP)
    start_worker()
    wait_until(lambda: ticking() and operation.steps.filter(attempt=2).exists(), seconds=40)
    first.send(signal.SIGCONT)
    wait_until(lambda: state_of(operation) == "succeeded", seconds=30)
    time.sleep(1.0)
    lines = lines_of(operation)
    assert sum(line.startswith("The worker that ran this vanished") for line in lines) == 1
    assert lines[-1] == "Succeeded. Counted."
    operation.refresh_from_db()
    assert operation.attempt == 2
    assert set(operation.steps.values_list("name", flat=True)) == {f"step {number}" for number in range(8)}


def test_a_double_message_runs_the_operation_once(enqueue, start_worker, world, redis_broker):
    start_worker()
    operation = enqueue("sample.count", world=str(world), lines=40, steps=4)
    for _ in range(20):
        assert messages.send(operation.pk)
    wait_until(lambda: state_of(operation) == "succeeded")
    time.sleep(1.0)
    operation.refresh_from_db()
    assert operation.attempt == 1
    assert world.read_text() == "step 0\nstep 1\nstep 2\nstep 3\n"
