"""Follows running operations for a web process: one reader for each operation, however many watch it.

The reader is a thread. It is woken by Redis, or looks by itself if Redis is away, reads what is new from the database
and keeps the last lines, ready to send. Watchers take lines from there by number; one that is too far behind takes
them from the database. So numbers alone decide what a watcher gets: none is lost, none comes twice, and a slow
watcher costs no memory.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from django.db import Error as DatabaseError
from django.db import connections

from . import ending, rendering, wakeup
from .models import Operation
from .states import State

logger = structlog.get_logger(__name__)

KEPT_LINES: Final = 2_000
READ_LINES: Final = 1_000
LOOK_EVERY: Final = 2.0
"""Seconds after which a reader looks even if nobody woke it: a wake-up may be lost."""

LOOK_WITHOUT_REDIS: Final = 0.5
LINGER: Final = 5.0
"""Seconds that a reader stays without watchers: a page that is reloaded finds it warm."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where an operation stands: its state, the revision of its steps and targets, and the last line read."""

    state: State
    revision: int
    last: int


class Reader:
    """The one reader of an operation in this process."""

    def __init__(self, operation_id: int, situation: Situation) -> None:
        self.operation_id = operation_id
        self._lock = threading.Lock()
        self._situation = situation
        self._lines: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._left_at = time.monotonic()
        self.ended = threading.Event()

    @property
    def situation(self) -> Situation:
        """What the reader knows."""
        return self._situation

    def lines_after(self, number: int, limit: int) -> list[tuple[int, str]] | None:
        """Up to ``limit`` lines after ``number``, encoded, or None if they are to be read from the database."""
        with self._lock:
            first = self._lines[0][0] if self._lines else self._situation.last + 1
            if number + 1 < first:
                return None
            skipped = number + 1 - first
            return [self._lines[place] for place in range(skipped, min(skipped + limit, len(self._lines)))]

    def watch(self, woken: asyncio.Event) -> bool:
        """Set ``woken``, in the loop that runs now, whenever something is new. False if the reader has left."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._watchers[woken] = asyncio.get_running_loop()
            return True

    def leave(self, woken: asyncio.Event) -> None:
        """Undo :meth:`watch`."""
        with self._lock:
            self._watchers.pop(woken, None)
            self._left_at = time.monotonic()

    def _leaves(self) -> bool:
        """Whether nobody has watched for LINGER seconds; from then on nobody can."""
        with self._lock:
            if not self._watchers and time.monotonic() - self._left_at >= LINGER:
                self.ended.set()
            return self.ended.is_set()

    def run(self) -> None:
        """Read until the operation has ended, or nobody watches any more."""
        bell = _Bell(self.operation_id)
        try:
            while not self._leaves():
                if self._read() and self._situation.state.terminal:
                    break
                bell.wait()
        finally:
            with self._lock:
                self.ended.set()
            self._wake()
            bell.close()
            connections.close_all()

    def _read(self) -> bool:
        """Take over what is new; whether the database answered."""
        try:
            # The state first: if it says "ended", then every line there will ever be is read after it.
            state, revision = Operation.objects.values_list("state", "revision").get(pk=self.operation_id)
            while True:
                found = rendering.rows(self.operation_id, after=self._situation.last, limit=READ_LINES)
                more = len(found) == READ_LINES
                before = self._situation
                after = Situation(
                    before.state if more else State(state),
                    before.revision if more else revision,
                    found[-1].number if found else before.last,
                )
                encoded = [(row.number, row.encoded()) for row in found]
                with self._lock:
                    self._lines.extend(encoded)
                    self._situation = after
                if after != before:
                    self._wake()
                if not more:
                    return True
        except Operation.DoesNotExist:
            self._situation = Situation(State.UNKNOWN, 0, self._situation.last)
            return True
        except DatabaseError as error:
            connections.close_all()
            logger.warning("log_not_read", operation=self.operation_id, error=str(error))
            return False

    def _wake(self) -> None:
        with self._lock:
            watchers = list(self._watchers.items())
        for woken, loop in watchers:
            try:
                loop.call_soon_threadsafe(woken.set)
            except RuntimeError:  # its loop is closed; the watcher is gone with it
                self.leave(woken)


class _Bell:
    """Waits for a wake-up of one operation, or for the time to look without one."""

    def __init__(self, operation_id: int) -> None:
        self._channel = wakeup.channel(operation_id)
        self._subscription: redis.client.PubSub | None = None
        self._client: redis.Redis | None = None
        self._not_before = 0.0

    def wait(self) -> None:
        """Return when woken, or after LOOK_EVERY; without Redis after LOOK_WITHOUT_REDIS."""
        try:
            if self._subscription is None and time.monotonic() >= self._not_before:
                self._connect()
                return  # what was written before the subscription woke nobody
            if self._subscription is not None:
                self._subscription.get_message(timeout=LOOK_EVERY)
                while self._subscription.get_message(timeout=0.0):
                    pass  # many wake-ups at once are one
                return
        except (redis.RedisError, OSError) as error:
            logger.warning("wakeup_not_received", error=str(error))
            self._not_before = time.monotonic() + wakeup.RETRY_AFTER
            self.close()
        time.sleep(LOOK_WITHOUT_REDIS)

    def _connect(self) -> None:
        self._client = wakeup.client()
        self._subscription = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._subscription.subscribe(self._channel)

    def close(self) -> None:
        """Give the connection back."""
        if self._subscription is not None:
            self._subscription.close()
        if self._client is not None:
            self._client.close()
        self._subscription = self._client = None


_readers: dict[int, Reader] = {}
_readers_lock = threading.Lock()


def reader_of(operation_id: int) -> Reader:
    """The reader of the operation in this process, started if there is none. One query if it is started.

    Raises Operation.DoesNotExist.
    """
    with _readers_lock:
        reader = _readers.get(operation_id)
        if reader is not None and not reader.ended.is_set():
            return reader
    state, revision = Operation.objects.values_list("state", "revision").get(pk=operation_id)
    with _readers_lock:
        present = _readers.get(operation_id)
        if present is not None and not present.ended.is_set():
            return present
        reader = Reader(operation_id, Situation(State(state), revision, ending.last_number(operation_id)))
        _readers[operation_id] = reader
        threading.Thread(target=_run, args=(reader,), name=f"operation-{operation_id}-reader", daemon=True).start()
    return reader


def _run(reader: Reader) -> None:
    try:
        reader.run()
    finally:
        with _readers_lock:
            if _readers.get(reader.operation_id) is reader:
                del _readers[reader.operation_id]
