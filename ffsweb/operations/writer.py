"""The one thread that writes the database for a running operation.

Everybody else posts. A line is committed at once when it is quiet and in batches of 100 ms under load; who posts an
intent or an evidence waits until it is committed, together with every line posted before it. Only after the commit
are readers woken. When the database is away, the writer tries again for as long as the lease is good.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from .database import is_away
from .errors import LeaseLost
from .journal import Journal
from .limits import BATCH_ITEMS, LOG_INTERVAL, OUTPUT_LINES, QUEUE_ITEMS
from .states import Stream
from .writes import Line, Progress, Write

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Posted:
    write: Write
    committed: Future[None] | None


class Writer:
    """Takes writes from any thread and commits them in order. ``start`` it, and ``close`` it in the end.

    ``good``: whether the lease still counts, by the clock of this process. ``wake``: called after each commit.
    ``lost``: called once when the journal refuses the run.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        good: Callable[[], bool],
        wake: Callable[[], None],
        lost: Callable[[], None],
        lines_before: int = 0,
    ) -> None:
        self._journal = journal
        self._good = good
        self._wake = wake
        self._lost = lost
        self._queue: queue.Queue[_Posted | None] = queue.Queue(QUEUE_ITEMS)
        self._broken: LeaseLost | None = None
        self._lines = lines_before
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name=f"operation-{journal.claim.operation_id}-writer",
            daemon=True,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, write: Write) -> None:
        """Hand ``write`` over; waits while QUEUE_ITEMS are waiting. Raises LeaseLost once the run counts no more."""
        self._put(_Posted(write, None))

    def commit(self, write: Write) -> None:
        """Hand ``write`` over and wait until it is in the database. Raises LeaseLost."""
        committed: Future[None] = Future()
        self._put(_Posted(write, committed))
        committed.result()

    def close(self) -> None:
        """Commit what was posted, if that still counts, and end the thread."""
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join()

    def _put(self, posted: _Posted) -> None:
        while True:
            if self._broken is not None:
                raise LeaseLost(str(self._broken))
            try:
                self._queue.put(posted, timeout=0.5)
            except queue.Full:
                continue
            break
        if self._broken is not None or self._closed.is_set():  # the thread may have left without seeing it
            self._refuse_waiting()

    def _run(self) -> None:
        last_commit = 0.0
        try:
            open_ = True
            while open_:
                batch, open_ = self._gather(last_commit + LOG_INTERVAL)
                if batch and self._broken is None:
                    self._commit(batch)
                    last_commit = time.monotonic()
                self._answer(batch)
        finally:
            self._closed.set()
            self._refuse_waiting()
            connections.close_all()

    def _gather(self, not_before: float) -> tuple[list[_Posted], bool]:
        """Wait for something to write; under load wait until ``not_before`` for more, unless somebody waits."""
        batch: list[_Posted] = []
        wait: float | None = None
        while len(batch) < BATCH_ITEMS:
            try:
                posted = self._queue.get(timeout=wait) if wait is None or wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if posted is None:
                return batch, False
            batch.append(posted)
            urgent = posted.committed is not None
            wait = 0.0 if urgent or wait == 0.0 else max(0.0, not_before - time.monotonic())
        return batch, True

    def _commit(self, batch: list[_Posted]) -> None:
        writes = self._bounded([posted.write for posted in batch])
        pause = 0.05
        while True:
            try:
                self._journal.write(writes)
            except LeaseLost as error:
                return self._break(error)
            except (DatabaseError, ValueError) as error:
                if not is_away(error):
                    logger.exception("operation_write_refused", operation=self._id)
                    return self._break(LeaseLost(f"The database refused a write of this run: {error}"))
                connections.close_all()
                logger.warning("operation_write_retried", operation=self._id, error=str(error))
                if not self._good():
                    return self._break(LeaseLost("The database could not be written until the lease ran out."))
                time.sleep(pause)
                pause = min(2.0, pause * 2)
            else:
                return self._wake()

    @property
    def _id(self) -> int:
        return self._journal.claim.operation_id

    def _bounded(self, writes: list[Write]) -> list[Write]:
        """``writes`` without superseded progress, and without programs' output beyond what is kept."""
        last = {write.target_id: write for write in writes if isinstance(write, Progress)}
        kept: list[Write] = []
        for write in writes:
            if isinstance(write, Progress) and last[write.target_id] is not write:
                continue
            if isinstance(write, Line):
                output = write.stream in {Stream.OUT, Stream.ERR}
                if output and self._lines > OUTPUT_LINES:
                    continue
                self._lines += 1
                kept.append(write)
                if output and self._lines > OUTPUT_LINES:
                    text = f"There are {OUTPUT_LINES} lines now; further output of programs is not kept."
                    kept.append(Line(write.at, write.target_id, Stream.WARNING, text))
            else:
                kept.append(write)
        return kept

    def _break(self, error: LeaseLost) -> None:
        self._broken = error
        logger.warning("operation_lease_lost", operation=self._id, reason=str(error))
        self._lost()

    def _answer(self, batch: list[_Posted]) -> None:
        for posted in batch:
            if posted.committed is not None:
                if self._broken is None:
                    posted.committed.set_result(None)
                else:
                    posted.committed.set_exception(LeaseLost(str(self._broken)))

    def _refuse_waiting(self) -> None:
        while True:
            try:
                posted = self._queue.get_nowait()
            except queue.Empty:
                return
            if posted is not None and posted.committed is not None:
                posted.committed.set_exception(LeaseLost())
