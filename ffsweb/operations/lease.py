"""Watches over one run: renews its lease, and tells it of a cancel, of a shutdown and of a lost lease."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from . import claims
from .contract import Claim
from .limits import PARK_GRACE, lease_seconds, watch_seconds
from .stopping import StopSignal, process

logger = structlog.get_logger(__name__)


class LeaseKeeper:
    """A thread that renews the lease every third of its length and looks at the row every ``watch_seconds``.

    A cancel, a shutdown or a lost lease reaches the run within that time. If the database is away for longer than the
    lease, the lease counts as lost by this process' own clock: another worker may have it. ``abandon`` is called once
    if the run has not ended PARK_GRACE after a shutdown began.
    """

    def __init__(self, claim: Claim, stop: StopSignal, *, claimed_at: float, abandon: Callable[[], None]) -> None:
        self._claim = claim
        self._stop = stop
        self._good_until = claimed_at + lease_seconds()
        self._renewed = claimed_at
        self._abandon = abandon
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name=f"operation-{claim.operation_id}-lease",
            daemon=True,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def good(self) -> bool:
        """Whether the lease still counts, by this process' clock."""
        return not self._stop.lost and time.monotonic() < self._good_until

    def close(self) -> None:
        """End the thread. The lease is not given back here: whoever ends or parks the operation does that."""
        self._ended.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.wait(watch_seconds()) and not self._stop.lost:
                if process.stopping and not self._stop.shutdown:
                    self._begin_shutdown()
                self._look()
        finally:
            connections.close_all()

    def _look(self) -> None:
        now = time.monotonic()
        try:
            if now - self._renewed >= lease_seconds() / 3:
                if not claims.renew(self._claim):
                    return self._lose("another worker has it, or it has ended")
                self._renewed, self._good_until = now, now + lease_seconds()
            row = claims.watch(self._claim)
        except DatabaseError as error:
            connections.close_all()
            logger.warning("operation_lease_not_renewed", operation=self._claim.operation_id, error=str(error))
            if time.monotonic() >= self._good_until:
                self._lose("the database could not be reached until it ran out")
            return None
        if not row.ours:
            return self._lose("another worker has it, or it has ended")
        if row.cancel_requested:
            self._stop.set_cancel()
        return None

    def _lose(self, reason: str) -> None:
        # After an ordinary end the row is not ours either: then there is nothing to tell.
        if not self._ended.is_set():
            logger.warning("operation_lease_lost", operation=self._claim.operation_id, reason=reason)
            self._stop.set_lost()

    def _begin_shutdown(self) -> None:
        self._stop.set_shutdown()
        threading.Thread(
            target=self._abandon_late, name=f"operation-{self._claim.operation_id}-abandon", daemon=True
        ).start()

    def _abandon_late(self) -> None:
        if not self._ended.wait(PARK_GRACE):
            self._abandon()
