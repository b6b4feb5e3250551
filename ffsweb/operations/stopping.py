"""Whether this process, or one run, is to stop, and why."""

from __future__ import annotations

import threading

from .errors import Cancelled, LeaseLost, Parked

SHUTDOWN_REASON = "the worker is stopping; goes on at the next start"


class _Process:
    """Whether this process is stopping. A plain attribute: it is set inside a signal handler, where no lock may be
    taken, and read by the threads that watch over runs."""

    stopping = False


process = _Process()


class StopSignal:
    """Why a run is to stop. ``event`` is what the run waits on and hands to what it calls."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._lost = False
        self._shutdown = False
        self._cancel = False
        self._cancel_taken = False

    @property
    def shutdown(self) -> bool:
        """Whether the worker is stopping."""
        return self._shutdown

    @property
    def cancel(self) -> bool:
        """Whether somebody cancelled."""
        return self._cancel

    @property
    def lost(self) -> bool:
        """Whether the lease was lost."""
        return self._lost

    def set_shutdown(self) -> None:
        """The worker stops."""
        self._shutdown = True
        self.event.set()

    def set_cancel(self) -> None:
        """Somebody cancelled. Once it was taken note of, it stops nothing more."""
        if not self._cancel:
            self._cancel = True
            self.event.set()

    def set_lost(self) -> None:
        """The lease is lost."""
        self._lost = True
        self.event.set()

    def take_cancel(self) -> None:
        """Let the run clean up after a cancel: the event is cleared, unless there is another reason."""
        self._cancel_taken = True
        self.event.clear()
        if self._lost or self._shutdown:
            self.event.set()

    def check(self) -> None:
        """Raise LeaseLost, Parked or Cancelled, in this order, if there is a reason to stop."""
        if self._lost:
            raise LeaseLost
        if self._shutdown:
            raise Parked(SHUTDOWN_REASON)
        if self._cancel and not self._cancel_taken:
            raise Cancelled
