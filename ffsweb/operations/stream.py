"""Server-sent events of one operation (WHATWG HTML §9.2): its lines by number, that its steps changed, that it ended.

``data`` without a name: a JSON array of up to 200 lines, its id the last one's number. ``steps``: state, steps or
targets changed; the page fetches them anew. ``ping``: every 15 seconds of silence, the number of the last line.
``done``: nothing follows. A stream that just ends is to be opened again, with the last number seen.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db import connections

from . import rendering, tail
from .limits import STREAM_THREADS, stream_seconds
from .models import Operation
from .slots import Slot
from .tail import Reader, Situation

PING_EVERY: Final = 15.0
ALLOWED_EVERY: Final = 60.0
STUCK: Final = 30.0
"""Seconds that a viewer may take nothing of what was sent; then the connection is cut, and the browser comes back."""

OPENING: Final = b"retry: 2000\n: the log follows\n\n"

Result = TypeVar("Result")
Say = Callable[[bytes], Awaitable[None]]

_threads = ThreadPoolExecutor(STREAM_THREADS, thread_name_prefix="stream")


@dataclass(frozen=True, slots=True)
class Admission:
    """What a request was let in to: the lines of an operation after a number, for as long as ``allowed`` says so.

    ``allowed`` asks the database and is called in a thread; the slot is given back when the stream ends. ``plain``:
    lines come as text instead of HTML, for programs; they are few, so each reads the database for itself.
    """

    operation_id: int
    after: int
    allowed: Callable[[], bool]
    slot: Slot
    plain: bool = False


class Viewer:
    """One viewer of one operation. ``say`` sends bytes and returns when there is room for more; ``cut`` ends it."""

    def __init__(self, admission: Admission, say: Say, cut: Callable[[], None]) -> None:
        self._admission = admission
        self._say, self._cut = say, cut
        self._woken = asyncio.Event()
        self._over = False
        self._reader: Reader | None = None
        self._saying_since = 0.0
        self._due = self._pings = 0.0
        self._revision: int | None = None

    async def watch(self) -> None:
        """Send events until the operation, the permission or the stream's time ends, or :meth:`end` is called."""
        try:
            await self._send(OPENING)
            await self._follow(self._admission.after)
        except Operation.DoesNotExist:
            return
        finally:
            self._leave()

    def end(self) -> None:
        """Send no more: the client has gone, or the server goes. In the loop's thread."""
        self._over = True
        self._woken.set()

    def look(self, now: float) -> None:
        """Called a few times each second: wake it if something is due, cut it if its client takes nothing."""
        if self._saying_since and now - self._saying_since >= STUCK:
            self._over = True
            self._cut()
        elif now >= self._due:
            self._woken.set()

    async def _send(self, data: bytes) -> None:
        self._saying_since = time.monotonic()
        await self._say(data)
        self._saying_since = 0.0

    async def _follow(self, cursor: int) -> None:
        now = time.monotonic()
        ends, checks, self._pings = now + stream_seconds(), now + _until_check(), now + PING_EVERY
        while not self._over and (now := time.monotonic()) < ends:
            if now >= checks:
                if not await in_thread(self._admission.allowed):
                    return
                checks = now + _until_check()
            reader = await self._attend()
            self._woken.clear()
            situation = reader.situation  # before the lines: what it says of the end is said after the last of them
            number, lines = await self._lines(reader, cursor)
            if lines:
                cursor, self._pings = number, now + PING_EVERY
                await self._send(lines)
                continue
            await self._tell(situation, now)
            self._due = min(ends, checks, self._pings)
            if not self._over:
                await self._woken.wait()

    async def _tell(self, situation: Situation, now: float) -> None:
        """What is to be told when there is no line to be sent."""
        if situation.revision != self._revision:
            self._revision = situation.revision
            news = {"state": situation.state, "revision": situation.revision}
            await self._send(rendering.event("steps", json.dumps(news)))
        if situation.state.terminal:
            self._over = True
            await self._send(rendering.event("done", json.dumps({"state": situation.state, "last": situation.last})))
        elif now >= self._pings:
            self._pings = now + PING_EVERY
            await self._send(b": still here\n" + rendering.event("ping", str(situation.last)))

    async def _attend(self) -> Reader:
        """The reader; another one if that has left."""
        while self._reader is None or (self._reader.ended.is_set() and not self._reader.situation.state.terminal):
            self._leave_reader()
            number = self._admission.operation_id
            reader = tail.running_reader(number)
            if reader is None:
                reader = await in_thread(functools.partial(tail.reader_of, number))
            if reader.watch(self._woken) or reader.situation.state.terminal:
                self._reader = reader
        return self._reader

    async def _lines(self, reader: Reader, cursor: int) -> tuple[int, bytes]:
        """The next lines after ``cursor``: from the reader, or, for a viewer far behind, from the database."""
        operation_id = self._admission.operation_id
        if self._admission.plain:
            if reader.situation.last <= cursor:
                return cursor, b""
            return await in_thread(lambda: rendering.plain_batch(operation_id, after=cursor)) or (cursor, b"")
        kept = reader.event_after(cursor)
        if kept is not None:
            return kept
        rows = await in_thread(lambda: rendering.rows(operation_id, after=cursor, limit=rendering.BATCH))
        # Lines that were pruned are gone for the reader too: an empty line in their place would be a lie.
        return rendering.batch([(row.number, row.encoded()) for row in rows]) or (cursor, b"")

    def _leave_reader(self) -> None:
        if self._reader is not None:
            self._reader.leave(self._woken)
            self._reader = None

    def _leave(self) -> None:
        self._leave_reader()
        self._admission.slot.release()


async def in_thread(work: Callable[[], Result]) -> Result:
    """``work`` in one of few threads, which keep no database connection: what they do is rare."""

    def closing() -> Result:
        try:
            return work()
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads, closing)


def _until_check() -> float:
    """Seconds, not the same for all who came at the same moment."""
    return ALLOWED_EVERY * random.uniform(0.7, 1.0)  # noqa: S311 - it spreads load


def parse_cursor(values: tuple[Any, ...]) -> int:
    """The first of ``values`` that is a number, at least 0; 0 if none is."""
    for value in values:
        text = str(value or "").strip()
        if text.isascii() and text.isdecimal() and len(text) <= 10:
            return int(text)
    return 0
