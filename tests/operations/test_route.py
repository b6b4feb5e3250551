"""Streams past Django: nothing of a request is held for them, whatever becomes of it, and what is refused is Django's."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from ffsweb.operations import limits, rendering, slots, stream, tail
from ffsweb.operations.models import LogLine, Operation
from ffsweb.operations.route import HANDOVER, LiveStreams, Streams
from ffsweb.operations.stream import Admission

from .asgi import Exchange, cookie_of, fetch
from .processes import wait_until
from .test_stream import ended, events_of, in_loop, later, running, write


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[None]:
    """Readers end before the database is emptied, and every slot is given back."""
    monkeypatch.setattr(tail, "LINGER", 0.3)
    yield
    wait_until(lambda: not tail._readers, what="the readers leaving")
    assert slots.held() == 0


def test_a_stream_holds_no_thread(enqueue, carol, monkeypatch):
    monkeypatch.setattr(settings, "OPERATIONS_STREAMS_PER_USER", 100, raising=False)
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            viewers = [await stack.enter_async_context(Exchange(events_of(operation), cookie)) for _ in range(60)]
            for viewer in viewers:
                await viewer.until(lambda it: it.events())
            await later(write)(operation, "for all")
            for viewer in viewers:
                await viewer.until(lambda it: it.numbers() == [1])
            # One reads the log, few read the database for all, and the test writes in some of its own.
            names = [thread.name for thread in threading.enumerate()]
            assert len(names) < limits.STREAM_THREADS + 10, names

    in_loop(main)


def test_a_line_is_rendered_once_for_all_who_are_there(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: it.events())
            await later(write)(operation, "a", "b")
            await viewer.until(lambda it: it.numbers() == [1, 2])
            reader = tail.running_reader(operation.pk)
            assert reader is not None
            one, other = reader.event_after(0), reader.event_after(0)
            assert one is not None
            assert other is not None
            assert one[1] is other[1]
            assert one[1] in viewer.body

    in_loop(main)


def test_the_headers_are_those_of_every_page(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        page = await fetch(f"/operations/{operation.pk}/", cookie)
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: it.body)
        of_their_own = {"content-type", "content-length", "cache-control", "set-cookie", "expires"}
        assert {name for name in page.answer if name not in of_their_own} <= set(viewer.answer)
        for name in ("content-security-policy", "x-content-type-options", "permissions-policy", "referrer-policy"):
            assert viewer.answer[name] == page.answer[name]
        assert "content-length" not in viewer.answer
        assert "no-store" in viewer.answer["cache-control"]

    in_loop(main)


def test_without_the_route_the_page_is_told_to_ask(enqueue, carol):
    operation, client = enqueue("never"), Client()
    client.force_login(carol)
    answer = client.get(events_of(operation))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_the_end_of_the_server_ends_every_stream_and_those_that_begin(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)
    write(operation, "a")

    async def main() -> None:
        streams = Streams()
        async with Exchange(events_of(operation), cookie, streams=streams) as viewer:
            await viewer.until(lambda it: it.numbers() == [1])
            streams.end()
            await viewer.until(lambda it: it.over, seconds=2)
        assert viewer.complete
        assert not ended(viewer)
        late = Exchange(events_of(operation), cookie, streams=streams)
        async with late:
            await late.until(lambda it: it.over, seconds=2)
        assert (late.status, late.complete, late.numbers()) == (200, True, [])

    in_loop(main)


async def restless(operation: Operation, cookie: str, chance: random.Random) -> list[int]:
    """The numbers that somebody gets whose connection is cut again and again, in the middle of whatever comes."""
    seen: list[int] = []
    while True:
        async with Exchange(events_of(operation, seen[-1] if seen else 0), cookie) as viewer:
            with contextlib.suppress(TimeoutError):
                await viewer.until(lambda it: it.over, seconds=chance.random() * 0.4)
            if not viewer.over:
                viewer.body = viewer.body[: chance.randint(0, len(viewer.body))]
            seen += viewer.numbers()
            if viewer.status == 204 or ended(viewer):  # now: more may come until the connection is closed
                return seen


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_cut_at_any_moment_gets_every_line_once(enqueue, kind, carol, redis_server, monkeypatch, seed):
    """The browser's rule: what is not a whole event is forgotten, and the next request names the last number."""
    monkeypatch.setattr(settings, "OPERATIONS_STREAMS_PER_USER", 100, raising=False)
    monkeypatch.setattr(tail, "KEPT_LINES", 50)  # so that some come from the database
    chance = random.Random(seed)

    def say(context: Any) -> Any:
        from ffsweb.operations.contract import Outcome

        for number in range(1500):
            context.log(f"line {number}", stream="out")
            if chance.random() < 0.02:
                context.stop.wait(chance.random() * 0.1)
        return Outcome("succeeded", "Said.")

    operation, cookie = enqueue(kind(say)), cookie_of(carol)

    async def main() -> None:
        viewers = await asyncio.gather(*(restless(operation, cookie, chance) for _ in range(6)))
        last = await later(LogLine.objects.filter(operation=operation).count)()
        assert [viewer == list(range(1, last + 1)) for viewer in viewers] == [True] * 6

    with running(operation):
        in_loop(main)


@contextlib.asynccontextmanager
async def served(streams: Streams) -> AsyncIterator[int]:
    """uvicorn with the streams, in this loop; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(LiveStreams(ASGIHandler(), streams), lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        streams.end()
        server.should_exit = True
        await serving


def test_a_viewer_that_takes_nothing_is_cut_and_goes_on_where_it_was(enqueue, carol, monkeypatch):
    monkeypatch.setattr(stream, "STUCK", 0.5)
    operation, cookie = enqueue("never"), cookie_of(carol)
    count = 3000

    async def main() -> None:
        async with served(Streams()) as port:
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            path = events_of(operation)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: testserver\r\nCookie: {cookie}\r\n\r\n".encode())
            await later(lambda: wait_until(lambda: slots.held() == 1))()
            await later(write)(operation, *("x" * 4000 for _ in range(count)))  # more than all buffers on the way
            await later(lambda: wait_until(lambda: slots.held() == 0, what="the viewer being cut"))()
            client.close()
        async with Exchange(events_of(operation, count - 500), cookie) as viewer:
            await viewer.until(lambda it: len(it.numbers()) == 500)

    in_loop(main)


def test_an_event_has_a_bounded_size_and_at_least_one_line():
    lines = [(number, "x" * 10_000) for number in range(1, 50)]
    number, event = rendering.batch(lines) or (0, b"")
    assert number == 6
    assert len(event) < rendering.BATCH_CHARACTERS + 1000
    assert rendering.batch([(1, "x" * 100_000), (2, "y")])[0] == 1  # type: ignore[index]
    assert rendering.batch([]) is None


def _scope() -> dict[str, Any]:
    return {"type": "http", "path": "/operations/1/events", "headers": []}


async def _nothing() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("status", [0, 500])
def test_a_slot_is_given_back_if_something_behind_the_view_fails(carol, status):
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        slot = slots.take(carol.pk)
        assert slot is not None
        scope[HANDOVER].admission = Admission(1, 0, lambda: True, slot)
        if not status:
            raise OSError("a middleware fails")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"sorry"})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def main() -> None:
        with contextlib.suppress(OSError):
            await LiveStreams(application, Streams())(_scope(), _nothing, send)
        assert slots.held() == 0
        assert [message.get("body") for message in sent if message["type"].endswith("body")] == (
            [b"sorry"] if status else []
        )

    in_loop(main)


def test_few_requests_for_streams_are_looked_at_at_once():
    now, most = 0, 0

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    async def main() -> None:
        streams = LiveStreams(application, Streams())
        await asyncio.gather(*(streams(_scope(), _nothing, _nothing) for _ in range(50)))

    in_loop(main)
    assert most == limits.ADMITTED_AT_ONCE


def test_an_operation_that_vanishes_ends_its_streams(enqueue, carol):
    operation, cookie = enqueue("never"), cookie_of(carol)

    async def main() -> None:
        async with Exchange(events_of(operation), cookie) as viewer:
            await viewer.until(lambda it: it.events())
            await later(Operation.objects.filter(pk=operation.pk).delete)()
            await viewer.until(lambda it: it.over, seconds=5)

    in_loop(main)
