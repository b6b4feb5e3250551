"""The event stream, through the ASGI application: the same lines for everybody, none lost, none twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.utils import timezone

from ffsweb.accounts import tokens
from ffsweb.accounts.models import Membership, Role
from ffsweb.operations import ending, runner, slots, stream, tail, wakeup
from ffsweb.operations.context import Context
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import LogLine, Operation

from .asgi import Exchange, cookie_of, fetch
from .processes import wait_until


@pytest.fixture(autouse=True)
def no_reader_is_left(monkeypatch: pytest.MonkeyPatch, transactional_db: None):
    """Readers end before the database is emptied."""
    monkeypatch.setattr(tail, "LINGER", 0.3)
    yield
    wait_until(lambda: not tail._readers, what="the readers leaving")
    assert slots.held() == 0


def write(operation: Operation, *texts: str) -> None:
    """Append lines as another process would: committed, then the wake-up."""
    start = ending.last_number(operation.pk)
    LogLine.objects.bulk_create(
        LogLine(operation=operation, number=start + place, at=timezone.now(), text=text)
        for place, text in enumerate(texts, 1)
    )
    wakeup.publish(operation.pk)


def finish(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(state="running")
    operation.refresh_from_db()
    ending.finish(operation, Outcome("succeeded", "Done."))
    wakeup.publish(operation.pk)


def in_loop(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


def later(act: Callable[..., object]) -> Callable[..., Coroutine[None, None, object]]:
    """``act`` in a thread, which keeps no connection to the database."""

    def closing(*arguments: object, **named: object) -> object:
        try:
            return act(*arguments, **named)
        finally:
            connections.close_all()

    return sync_to_async(closing)


def events_of(operation: Operation, after: int = 0) -> str:
    return f"/operations/{operation.pk}/events?after={after}"


def ended(it: Exchange) -> bool:
    return any(event.name == "done" for event in it.events())


def test_it_replays_and_then_follows_to_the_end(enqueue, carol, redis_server):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, *(f"line {number}" for number in range(1, 501)))

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: len(it.numbers()) == 500)
            await later(write)(operation, "new")
            await viewer.until(lambda it: len(it.numbers()) == 501, seconds=3)
            await later(finish)(operation)
            await viewer.until(lambda it: it.over, seconds=3)
        assert viewer.numbers() == list(range(1, 503))
        assert viewer.events()[-1].name == "done"
        assert json.loads(viewer.events()[-1].data) == {"state": "succeeded", "last": 502}
        assert all(len(json.loads(event.data)) <= 200 for event in viewer.events() if not event.name)
        assert viewer.answer["content-type"] == "text/event-stream"
        assert viewer.answer["cache-control"] == "no-store, no-transform"
        assert viewer.answer["x-accel-buffering"] == "no"
        assert viewer.body.startswith(b"retry: 2000\n:")

    in_loop(main)


def test_without_redis_it_follows_all_the_same(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: it.body)
            for number in range(3):
                await later(write)(operation, f"line {number}")
                await viewer.until(lambda it, n=number: len(it.numbers()) == n + 1, seconds=5)

    in_loop(main)


def test_redis_may_go_and_come_back_while_somebody_watches(enqueue, carol, redis_server, monkeypatch):
    monkeypatch.setattr(wakeup, "RETRY_AFTER", 0.2)
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            for act in (lambda: None, redis_server.stop, redis_server.start):
                await later(act)()
                count = len(viewer.numbers())
                await later(write)(operation, "one more")
                await viewer.until(lambda it, n=count: len(it.numbers()) == n + 1, seconds=6)
        assert viewer.numbers() == [1, 2, 3]

    in_loop(main)


def test_after_in_the_address_counts_more_than_the_browsers_last_event_id(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, *"abcdefghij")

    async def main() -> None:
        async with Exchange(events_of(operation, 7), cookie, {"Last-Event-ID": "2"}) as viewer:
            await viewer.until(lambda it: len(it.numbers()) == 3)
        assert viewer.numbers() == [8, 9, 10]
        address = events_of(operation).partition("?")[0]
        async with Exchange(address, cookie, {"Last-Event-ID": "9"}) as viewer:
            await viewer.until(lambda it: it.numbers())
        assert viewer.numbers() == [10]

    in_loop(main)


async def faithful(operation: Operation, cookie: str, *, wait: float) -> list[int]:
    """The numbers that somebody gets who comes after ``wait`` seconds and stays to the end."""
    await asyncio.sleep(wait)
    async with Exchange(events_of(operation), cookie) as viewer:
        await viewer.until(ended, seconds=60)
    return viewer.numbers()


async def reloading(operation: Operation, cookie: str) -> list[int]:
    """The numbers that somebody gets who leaves and comes back again and again, until there is nothing more."""
    seen: list[int] = []
    while True:
        async with Exchange(events_of(operation, seen[-1] if seen else 0), cookie) as viewer:
            await viewer.until(lambda it: it.over or len(it.events()) > 12, seconds=60)
            seen += viewer.numbers()
            if viewer.status == 204 or ended(viewer):
                return seen


@contextlib.contextmanager
def running(operation: Operation) -> Iterator[None]:
    """The operation runs in a thread of its own, as in a worker."""

    def work() -> None:
        try:
            runner.run(operation.pk)
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    worker.join(60)


def test_viewers_that_come_go_and_come_back_all_get_the_same_lines(enqueue, kind, carol, redis_server):
    """20,000 lines as fast as they come, with a faithful viewer, one that reloads, and one that comes late."""

    def flood(context: Context) -> Outcome:
        for number in range(20_000):
            context.log(f"\x1b[32mline\x1b[0m {number}", stream="out")
        return Outcome("succeeded", "Flooded.")

    operation, cookie = enqueue(kind(flood)), cookie_of(carol)

    async def main() -> None:
        async with asyncio.TaskGroup() as watching:
            viewers = [
                watching.create_task(faithful(operation, cookie, wait=0.0)),
                watching.create_task(faithful(operation, cookie, wait=1.0)),
                watching.create_task(reloading(operation, cookie)),
            ]
        assert [viewer.result() == list(range(1, 20_002)) for viewer in viewers] == [True] * 3

    with running(operation):
        in_loop(main)
    assert LogLine.objects.filter(operation=operation).count() == 20_001


def test_a_restarted_web_process_goes_on_where_the_browser_was(enqueue, carol, redis_server):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, "a", "b", "c")
    seen: list[int] = []

    async def before() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: len(it.numbers()) == 3)
            seen.extend(viewer.numbers())

    async def after() -> None:
        async with Exchange(events_of(operation, seen[-1]), cookie) as viewer:
            await viewer.until(lambda it: len(it.numbers()) == 2)
            await later(write)(operation, "f")
            await viewer.until(lambda it: len(it.numbers()) == 3)
            seen.extend(viewer.numbers())

    in_loop(before)
    wait_until(lambda: not tail._readers)  # nothing of the old process is left
    write(operation, "d", "e")
    in_loop(after)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_one_reader_serves_all_viewers_of_an_operation(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)

    def readers() -> int:
        return sum(thread.name == f"operation-{operation.pk}-reader" for thread in threading.enumerate())

    async def main() -> None:
        async with (
            Exchange(events_of(operation), cookie) as one,
            Exchange(events_of(operation), cookie) as two,
            Exchange(events_of(operation), cookie) as three,
        ):
            await later(write)(operation, "for all")
            for viewer in (one, two, three):
                await viewer.until(lambda it: it.numbers() == [1])
            assert readers() == 1

    in_loop(main)
    wait_until(lambda: readers() == 0)


def test_a_finished_operation_answers_204_to_who_has_seen_it_all(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, "a")
    finish(operation)

    async def main() -> None:
        assert (await fetch(events_of(operation, 2), cookie)).status == 204
        rest = await fetch(events_of(operation, 1), cookie)
        assert (rest.status, rest.numbers(), rest.events()[-1].name) == (200, [2], "done")

    in_loop(main)


def test_changed_steps_are_told_and_silence_is_filled(enqueue, carol, monkeypatch):
    monkeypatch.setattr("ffsweb.operations.stream.PING_EVERY", 0.2)
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: [event.name for event in it.events()][:1] == ["steps"])
            await later(Operation.objects.filter(pk=operation.pk).update)(revision=7, state="running")
            await viewer.until(
                lambda it: (
                    {"state": "running", "revision": 7}
                    in [json.loads(event.data) for event in it.events() if event.name == "steps"]
                ),
                seconds=5,
            )
            await viewer.until(lambda it: b": still here\nevent: ping\ndata: 0\n\n" in it.body)

    in_loop(main)


@pytest.mark.parametrize("what", ["membership", "session", "account"])
def test_whoever_may_no_longer_see_it_loses_the_stream(enqueue, carol, monkeypatch, what):
    monkeypatch.setattr("ffsweb.operations.stream.ALLOWED_EVERY", 0.3)
    operation, cookie = enqueue("never"), cookie_of(carol)

    def revoke() -> None:
        if what == "membership":
            Membership.objects.filter(user=carol).delete()
        elif what == "account":
            carol.is_active = False
            carol.save()
        else:
            from django.contrib.sessions.models import Session

            Session.objects.all().delete()

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: it.events())
            await asyncio.sleep(0.7)
            assert not viewer.over
            await later(revoke)()
            await viewer.until(lambda it: it.over, seconds=3)
        assert not ended(viewer)

    in_loop(main)


def test_a_stream_ends_by_its_age_and_is_not_done(enqueue, carol, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_STREAM_AGE", 0.3, raising=False)
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        began = time.monotonic()
        viewer = await fetch(events_of(operation), cookie)
        assert time.monotonic() - began < 3
        assert not ended(viewer)

    in_loop(main)


def test_too_many_streams_are_refused_and_a_place_is_free_again_afterwards(enqueue, carol, bob, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_STREAMS_PER_USER", 2, raising=False)
    monkeypatch.setattr(settings, "OPERATIONS_STREAMS", 3, raising=False)
    operation, cookie, other = enqueue("never"), cookie_of(carol), cookie_of(bob)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as one, Exchange(events_of(operation), cookie) as two:
            await one.until(lambda it: it.events())
            await two.until(lambda it: it.events())
            third = await fetch(events_of(operation), cookie)
            assert (third.status, third.answer["retry-after"]) == (503, "5")
            async with Exchange(events_of(operation), other) as bobs:
                await bobs.until(lambda it: it.events())
                assert (await fetch(events_of(operation), other)).status == 503
        assert slots.held() == 0
        async with Exchange(events_of(operation), cookie) as again:
            await again.until(lambda it: it.events())

    in_loop(main)


def test_strangers_get_nothing(enqueue, mallory):
    operation, cookie = enqueue("never"), cookie_of(mallory)

    async def main() -> None:
        assert (await fetch(events_of(operation), cookie)).status == 404
        assert (await fetch(events_of(operation))).status == 302
        assert (await fetch("/operations/99999999999999999999999/events", cookie)).status == 404

    in_loop(main)


@pytest.mark.parametrize("after", ["-1", "abc", "١", "1e9", "", "9" * 40])
def test_a_nonsense_cursor_is_the_beginning(enqueue, carol, after):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, "a")

    async def main() -> None:
        async with Exchange(
            f"/operations/{operation.pk}/events?after={after.replace('١', '%D9%A1')}", cookie
        ) as viewer:
            await viewer.until(lambda it: it.numbers() == [1])

    in_loop(main)


def test_a_program_with_a_token_gets_lines_as_text_until_the_token_is_withdrawn(enqueue, carol, monkeypatch):
    monkeypatch.setattr(stream, "ALLOWED_EVERY", 0.2)
    operation = enqueue("never")
    made = tokens.make(actor=carol, project=operation.project, name="ci", role=Role.VIEWER, days=7)
    write(operation, "\x1b[31m<b>line 1", "line 2")
    path = f"/api/v1/operations/{operation.pk}/events?after=1"

    async def main() -> None:
        refused = await fetch(path)
        assert (refused.status, refused.answer["content-type"]) == (401, "application/problem+json")
        async with Exchange(path, headers={"authorization": f"Bearer {made.text}"}) as program:
            await program.until(lambda it: it.lines())
            await later(write)(operation, "\x1b[31m<b>line 3")
            await program.until(lambda it: len(it.lines()) == 2, seconds=5)
            await later(tokens.revoke)(made.token, actor=carol)
            await program.until(lambda it: it.over, seconds=5)
        assert [line["number"] for line in program.lines()] == [2, 3]
        assert program.lines()[-1]["text"] == "<b>line 3"
        assert not ended(program)

    in_loop(main)
