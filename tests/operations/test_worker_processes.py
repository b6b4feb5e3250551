"""Real workers, a real Redis, the real database: what a kill, a stop and a lost message leave behind."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kombu import pools

from ffsweb.celery import app
from ffsweb.operations import messages, services
from ffsweb.operations.models import Hold, LogLine, Operation

from .processes import RedisServer, Worker, wait_until

StartWorker = Callable[[], Worker]


@pytest.fixture
def start_worker(transactional_db: None, redis_server: RedisServer, tmp_path: Path) -> Iterator[StartWorker]:
    with contextlib.ExitStack() as workers:

        def start() -> Worker:
            worker = Worker(redis_server.url, tmp_path / "worker.log")
            workers.callback(worker.kill)
            worker.wait_ready()
            return worker

        yield start


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A file outside of the database: what operations did to the world."""
    path = tmp_path / "world"
    path.touch()
    return path


@pytest.fixture
def broker(redis_server: RedisServer) -> Iterator[None]:
    """This process sends its messages to the test's Redis."""
    before = app.conf.broker_url
    app.conf.broker_url = f"redis+socket://{redis_server.socket}"
    _forget_connections()
    yield
    app.conf.broker_url = before
    _forget_connections()


def _forget_connections() -> None:
    pools.reset()
    app._after_fork()


def state_of(operation: Operation) -> str:
    return Operation.objects.values_list("state", flat=True).get(pk=operation.pk)


def lines_of(operation: Operation) -> list[str]:
    rows = list(LogLine.objects.filter(operation=operation).values_list("number", "text"))
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [text for _, text in rows]


def test_a_worker_that_is_killed_is_replaced_and_no_line_is_lost_or_doubled(enqueue, start_worker, world, broker):
    first = start_worker()
    operation = enqueue("sample.count", world=str(world), lines=4000, steps=8, pause=0.3, holds=("service:1",))
    wait_until(lambda: operation.steps.filter(state="done").count() >= 2, what="two steps done")
    seen = lines_of(operation)
    first.kill()

    second = start_worker()
    wait_until(lambda: services.tick() or state_of(operation) == "succeeded", seconds=15)
    wait_until(lambda: state_of(operation) == "succeeded", seconds=30, what="the second worker finishing")

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


def test_sigterm_parks_what_runs_and_ends_the_worker_in_time(enqueue, start_worker, world, broker):
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


def test_a_double_message_runs_the_operation_once(enqueue, start_worker, world, broker):
    start_worker()
    operation = enqueue("sample.count", world=str(world), lines=40, steps=4)
    for _ in range(20):
        assert messages.send(operation.pk)
    wait_until(lambda: state_of(operation) == "succeeded")
    time.sleep(1.0)
    operation.refresh_from_db()
    assert operation.attempt == 1
    assert world.read_text() == "step 0\nstep 1\nstep 2\nstep 3\n"
