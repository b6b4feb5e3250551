"""Server-sent events of one operation (WHATWG HTML §9.2): its lines by number, that its steps changed, that it ended.

``data`` without a name: a JSON array of up to 200 lines, its id the last one's number. ``steps``: state, steps or
targets changed; the page fetches them anew. ``ping``: every 15 seconds of silence, the number of the last line.
``done``: nothing follows. A stream that just ends is to be opened again, with the last number seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from . import rendering, tail
from .limits import stream_seconds
from .models import Operation
from .slots import Slot
from .tail import Reader

BATCH: Final = 200
PING_EVERY: Final = 15.0
ALLOWED_EVERY: Final = 60.0
OPENING: Final = b"retry: 2000\n: the log follows\n\n"

Result = TypeVar("Result")


class EventStream:
    """The body of a streaming response: an asynchronous iterator that gives its slot back when it is closed."""

    def __init__(self, operation_id: int, *, after: int, allowed: Callable[[], bool], slot: Slot) -> None:
        self._watch = _Watch(operation_id)
        self._events = _events(self._watch, after=after, allowed=allowed)
        self._slot = slot

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._events)
        except BaseException:  # also a cancel: whoever watched has gone
            self.close()
            raise

    def close(self) -> None:
        """Leave the reader and give the slot back, whether or not the response was ever iterated over."""
        self._watch.leave()
        self._slot.release()


class _Watch:
    """One viewer's place at the reader of an operation."""

    def __init__(self, operation_id: int) -> None:
        self.operation_id = operation_id
        self.woken = asyncio.Event()
        self.reader: Reader | None = None

    async def attend(self) -> Reader:
        """The reader; another one if that has left."""
        while self.reader is None or (self.reader.ended.is_set() and not self.reader.situation.state.terminal):
            self.leave()
            reader = await in_thread(lambda: tail.reader_of(self.operation_id))
            if reader.watch(self.woken) or reader.situation.state.terminal:
                self.reader = reader
        return self.reader

    def leave(self) -> None:
        if self.reader is not None:
            self.reader.leave(self.woken)
            self.reader = None


async def in_thread(work: Callable[[], Result]) -> Result:
    """``work`` in the request's thread, which keeps no database connection: a stream lives too long for that."""

    def closing() -> Result:
        try:
            return work()
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close()

    return await sync_to_async(closing, thread_sensitive=True)()


async def _events(watch: _Watch, *, after: int, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    yield OPENING
    try:
        async for event in _follow(watch, cursor=after, allowed=allowed):
            yield event
    except Operation.DoesNotExist:
        return
    finally:
        watch.leave()


async def _follow(watch: _Watch, *, cursor: int, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    now = time.monotonic()
    ends, checks, pings = now + stream_seconds(), now + ALLOWED_EVERY, now + PING_EVERY
    revision: int | None = None
    while (now := time.monotonic()) < ends:
        if now >= checks:
            if not await in_thread(allowed):
                return
            checks = now + ALLOWED_EVERY
        reader = await watch.attend()
        watch.woken.clear()
        situation = reader.situation
        lines = await _lines(reader, watch.operation_id, cursor)
        if lines:
            cursor, pings = lines[-1][0], now + PING_EVERY
            yield rendering.lines_event([encoded for _, encoded in lines], number=cursor)
            continue
        if situation.revision != revision:
            revision = situation.revision
            yield rendering.event("steps", json.dumps({"state": situation.state, "revision": revision}))
        if situation.state.terminal:
            yield rendering.event("done", json.dumps({"state": situation.state, "last": situation.last}))
            return
        if now >= pings:
            pings = now + PING_EVERY
            yield b": still here\n" + rendering.event("ping", str(situation.last))
        await _wait(watch.woken, min(ends, checks, pings) - time.monotonic())


async def _lines(reader: Reader, operation_id: int, cursor: int) -> list[tuple[int, str]]:
    """The next lines after ``cursor``: from the reader, or, for a viewer that is far behind, from the database."""
    kept = reader.lines_after(cursor, BATCH)
    if kept is not None:
        return kept
    rows = await in_thread(lambda: rendering.rows(operation_id, after=cursor, limit=BATCH))
    # Lines that were pruned are gone for the reader too: an empty line in their place would be a lie.
    return [(row.number, row.encoded()) for row in rows]


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(woken.wait(), max(0.0, seconds))
    except TimeoutError:
        return


def parse_cursor(values: tuple[Any, ...]) -> int:
    """The first of ``values`` that is a number, at least 0; 0 if none is."""
    for value in values:
        text = str(value or "").strip()
        if text.isascii() and text.isdecimal() and len(text) <= 10:
            return int(text)
    return 0
