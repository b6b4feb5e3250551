"""Follows running operations for a web process: one reader for each operation, however many watch it.

The reader is a thread. It is woken by Redis, or looks by itself if Redis is away, reads what is new from the database
and keeps the last lines, ready to send. Watchers take lines from there by number; one too far behind takes them from
the database. So numbers alone decide: none is lost, none comes twice, and a slow watcher costs no memory.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from . import ending, rendering
from .bell import Bell
from .models import Operation
from .states import State

logger = structlog.get_logger(__name__)

KEPT_LINES: Final = 2_000
READ_LINES: Final = 1_000
KEPT_EVENTS: Final = 8
WOKEN_AT_ONCE: Final = 100
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
        self.situation = situation
        self._lines: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)
        self._events: dict[int, tuple[int, bytes]] = {}
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._left_at = time.monotonic()
        self.ended = threading.Event()

    def event_after(self, number: int) -> tuple[int, bytes] | None:
        """The lines after ``number`` as one event, and the last one's number: the same bytes for all who are there.

        No bytes if there are no such lines; None if they are to be read from the database.
        """
        with self._lock:
            made = self._events.get(number)
            if made is not None:
                return made
            first = self._lines[0][0] if self._lines else self.situation.last + 1
            if number + 1 < first:
                return None
            made = rendering.batch(islice(self._lines, number + 1 - first, None)) or (number, b"")
            if len(self._events) < KEPT_EVENTS:
                self._events[number] = made
            return made

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
        bell = Bell(self.operation_id)
        try:
            while not self._leaves():
                if self._read() and self.situation.state.terminal:
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
                found = rendering.rows(self.operation_id, after=self.situation.last, limit=READ_LINES)
                more = len(found) == READ_LINES
                before = self.situation
                after = Situation(
                    before.state if more else State(state),
                    before.revision if more else revision,
                    found[-1].number if found else before.last,
                )
                encoded = [(row.number, row.encoded()) for row in found]
                with self._lock:
                    self._lines.extend(encoded)
                    self._events.clear()
                    self.situation = after
                if after != before:
                    self._wake()
                if not more:
                    return True
        except Operation.DoesNotExist:
            self.situation = Situation(State.UNKNOWN, 0, self.situation.last)
            return True
        except DatabaseError as error:
            connections.close_all()
            logger.warning("log_not_read", operation=self.operation_id, error=str(error))
            return False

    def _wake(self) -> None:
        woken = defaultdict(list)
        with self._lock:
            for event, loop in self._watchers.items():
                woken[loop].append(event)
        for loop, events in woken.items():
            try:
                loop.call_soon_threadsafe(_set_some, events)
            except RuntimeError:  # its loop is closed; the watchers are gone with it
                for event in events:
                    self.leave(event)


def _set_some(events: list[asyncio.Event]) -> None:
    """Set them, some in each turn of the loop: what else there is to do waits for some watchers, not for all."""
    for event in events[:WOKEN_AT_ONCE]:
        event.set()
    if len(events) > WOKEN_AT_ONCE:
        asyncio.get_running_loop().call_soon(_set_some, events[WOKEN_AT_ONCE:])


_readers: dict[int, Reader] = {}
_readers_lock = threading.Lock()


def running_reader(operation_id: int) -> Reader | None:
    """The reader of the operation in this process, if there is one. No query."""
    reader = _readers.get(operation_id)
    return None if reader is None or reader.ended.is_set() else reader


def reading() -> int:
    """How many readers run in this process. No query."""
    return len(_readers)


def reader_of(operation_id: int) -> Reader:
    """The reader of the operation in this process, started if there is none: one query. Raises DoesNotExist."""
    if (running := running_reader(operation_id)) is not None:
        return running
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
