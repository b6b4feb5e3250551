"""Workers that are frozen, killed or told everything several times, and a Valkey that forgets: what is true afterwards."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now

from ffsweb.celery import app
from ffsweb.operations import services, wakeup
from ffsweb.operations.limits import TAKEOVERS
from ffsweb.operations.models import Hold, Operation, Wish
from tests.support.threads import beside

from .outcome import lines_of, state_of, ticking
from .processes import wait_until

LEASE = 3.0
"""Seconds, as process_settings.py and fleet_settings.py have it."""


def test_valkey_that_is_lost_and_forgets_everything_loses_nothing_and_wakes_readers_again(
    enqueue, start_worker, world, redis_server, redis_broker
):
    start_worker()
    running = enqueue("sample.count", world=str(world), lines=36, steps=12, pause=0.5, holds=("service:1",))
    queued = enqueue("sample.count", world=str(world), lines=20, steps=1, holds=("service:1",), wait=True)
    wait_until(running.steps.exists)
    redis_server.stop()
    time.sleep(1.0)  # the worker writes, and finds nobody to wake
    redis_server.start()
    with redis_server.client() as client, client.pubsub(ignore_subscribe_messages=True) as heard:
        client.flushall()
        heard.subscribe(wakeup.channel(running.pk))
        wait_until(lambda: heard.get_message(timeout=0.1), what="a wake-up after Valkey came back")
    assert state_of(running) == "running"
    wait_until(lambda: ticking() and state_of(queued) == "succeeded", seconds=60, what="the queued one")
    assert (len(lines_of(running)), len(lines_of(queued))) == (37, 23)
    assert world.read_text().split("\n")[:-1] == [*(f"step {number}" for number in range(12)), "step 0"]
    assert set(Operation.objects.values_list("state", "attempt")) == {("succeeded", 1)}


def deliver(ticks: list[str], times: int) -> None:
    """Every message that there could be, several times."""
    for _ in range(times):
        for operation in Operation.objects.active():
            app.send_task("operations.run", args=[operation.pk], retry=False)
        for task in ticks:
            app.send_task(task, retry=False)


def test_two_workers_that_get_every_message_several_times_run_each_operation_once(
    enqueue, start_worker, project, world, redis_broker
):
    """Each message three times at the same moment, and twice more; the fleet's ticks among them."""
    from deployments.models import Collection, Image
    from tests.deployments.fleet import Fleet

    app.loader.import_default_modules()
    ticks = sorted(entry["task"] for entry in app.conf.beat_schedule.values())
    assert {"operations.tick", "deployments.read_nodes", "deployments.prepare_images"} <= set(ticks)
    described = Fleet.described_image(type("Of", (), {"project": project})())  # an image to be prepared
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.operations.fleet_settings",
        "FFSWEB_DATA": str(settings.DATA),
        "FFSWEB_KEYS": str(settings.KEYS),
    }
    for _ in range(2):
        start_worker(**environment)
    first = [
        enqueue("sample.count", world=str(world), lines=40, steps=4, holds=(f"service:{number % 2}",), wait=True)
        for number in range(6)
    ]

    at_once = [beside(deliver, ticks, 1) for _ in range(3)]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()
    deliver(ticks, 2)
    wait_until(
        lambda: ticking() and not Operation.objects.active().exists(), seconds=60, what="everything having ended"
    )
    deliver(ticks, 2)  # and all over again, when nothing is left to do
    time.sleep(1.0)
    ended = Operation.objects.filter(kind="sample.count")
    assert list(ended.values_list("state", "attempt")) == [("succeeded", 1)] * 6
    assert sorted(world.read_text().split("\n")[:-1]) == sorted(
        f"step {number}" for number in range(4) for _ in first
    )
    for operation in first:
        assert lines_of(operation)[-1] == "Succeeded. Counted."
    prepared = Operation.objects.filter(kind="prepare-image")
    assert [(row.params["image"], row.attempt) for row in prepared] == [(described.pk, 1)]
    assert not Collection.objects.open().exists()
    assert Image.objects.count() == 1
    assert not Hold.objects.exists()
    assert not Wish.objects.exists()


def test_a_worker_that_wakes_up_late_writes_no_line_and_moves_no_node(enqueue, start_worker, world, redis_broker):
    """SIGSTOP, another worker takes over, SIGCONT: what the old one then tries is refused by journal and node."""
    old = start_worker()
    operation = enqueue("sample.commands", world=str(world), count=120)
    wait_until(lambda: "did" in world.read_text())
    old.freeze()
    start_worker()
    wait_until(lambda: ticking() and " 2: " in world.read_text(), seconds=40, what="the other worker's first command")
    old.send(signal.SIGCONT)
    wait_until(lambda: "refused" in world.read_text(), seconds=10, what="the old worker's next command")
    wait_until(lambda: state_of(operation) == "succeeded", seconds=30)
    time.sleep(0.5)
    commands = [line.split() for line in world.read_text().splitlines()]
    takeover = next(place for place, (_, _, attempt, *_) in enumerate(commands) if attempt == "2:")
    assert all(line[2] != "1:" for line in commands[takeover:] if line[0] == "did")
    refused = [line for line in commands if line[0] == "refused"]
    assert {line[1] for line in refused} == {commands[0][1]}  # the old pair, and no other
    assert len(refused) == 2
    lines = lines_of(operation)
    greeting = next(place for place, line in enumerate(lines) if line.startswith("The worker that ran this vanished"))
    assert not [line for line in lines[greeting:] if line.startswith("attempt 1")]
    assert "stale" not in "".join(lines)
    assert lines[-1] == "Succeeded. Attempt 2 sent its commands."
    operation.refresh_from_db()
    assert (operation.attempt, operation.takeovers) == (2, 1)


def test_what_a_killed_worker_ran_is_taken_over_when_its_lease_is_over(enqueue, start_worker, world, redis_broker):
    first = start_worker()
    second = start_worker()
    operation = enqueue("sample.wait", world=str(world))
    wait_until(lambda: "began" in world.read_text())
    holder = Operation.objects.get(pk=operation.pk).lease_holder
    victim = first if f":{first.process.pid}:" in holder else second
    Operation.objects.filter(pk=operation.pk).update(sent_at=Now() - timedelta(minutes=1))  # it ran for a while
    victim.kill()
    began = time.monotonic()
    wait_until(lambda: ticking() and operation.steps.filter(attempt=2).exists(), seconds=15)
    assert time.monotonic() - began < LEASE + 2.0  # the tick is asked all the time here
    services.cancel(operation, actor=None)
    wait_until(lambda: state_of(operation) == "cancelled")


@pytest.mark.timeout(180)
def test_an_operation_under_which_workers_die_again_and_again_ends_as_unknown(
    enqueue, start_worker, world, redis_broker
):
    operation = enqueue("sample.kills", world=str(world), holds=("service:1",))
    behind = enqueue("sample.count", world=str(world), lines=1, steps=1, holds=("service:1",), wait=True)
    Operation.objects.filter(pk=operation.pk).update(takeovers=TAKEOVERS - 1)  # the first ones are like the last
    for attempt in (1, 2):
        dies = start_worker().process.poll
        wait_until(lambda dies=dies: ticking() and dies() is not None, seconds=20, what="the worker's death")
        assert operation.steps.filter(attempt=attempt).exists()
    start_worker()
    wait_until(lambda: ticking() and state_of(operation) == "unknown", seconds=20, what="giving up")
    operation.refresh_from_db()
    assert operation.message.startswith(f"{TAKEOVERS + 1} workers ended while they ran this")
    wait_until(lambda: state_of(behind) == "succeeded", what="the one behind it")
    assert world.read_text().splitlines() == ["attempt 1", "attempt 2", "step 0"]
