"""A cap on bytes per second that many threads share. No I/O but waiting."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 0.1
"""Seconds of the rate that may go at once after a pause: a pause is not saved up for later."""

SMOOTH = 0.05
"""Seconds that one piece takes at the rate, so that several threads take turns and none waits long for its own."""


class Pacer:
    """Lets ``bytes_per_second`` through; with a ``parent``, also no more than that one does for all its children.

    Thread-safe; threads are served in the order in which they ask. ``clock`` (seconds, monotonic) and ``sleep`` are
    the world's unless a test gives its own. Raises ValueError for a rate that is not above 0.
    """

    def __init__(
        self,
        bytes_per_second: float,
        parent: Pacer | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if not bytes_per_second > 0:
            raise ValueError("A rate is above 0 bytes per second; without a cap there is no pacer.")
        self.bytes_per_second = bytes_per_second
        self._parent, self._clock, self._sleep = parent, clock, sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    @property
    def piece(self) -> int:
        """How many bytes to take at once so that the pace is smooth: at least 1 KiB."""
        own = max(int(self.bytes_per_second * SMOOTH), 1024)
        return own if self._parent is None else min(own, self._parent.piece)

    def take(self, count: int) -> None:
        """Return when ``count`` bytes may go. The time is kept on average, however long a sleep really takes."""
        wait = self._book(count) - self._clock()
        if wait > 0:
            self._sleep(wait)

    def _book(self, count: int) -> float:
        """Reserve the next free time for ``count`` bytes, here and above; when that is."""
        with self._lock:
            starts = max(self._free_at, self._clock() - BURST)
            self._free_at = starts + count / self.bytes_per_second
            ends = self._free_at
        return ends if self._parent is None else max(ends, self._parent._book(count))
