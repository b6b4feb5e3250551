"""Counts what goes to a node: for the page while it goes, for the log afterwards, and for the next estimate."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.models import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployments.core.transfer_values import Link

WINDOW = 4.0
"""Seconds over which the rate that pages show is taken."""
ENOUGH_BYTES, ENOUGH_SECONDS = 1_000_000, 0.1
"""A transfer below this says more about a node's work than about the line."""
NEW_SHARE = 0.5
NEAR_THE_LIMIT = 0.8


class Meter:
    """The bytes of one push, over all its attempts. Thread-safe. ``show`` is given done, total and bytes a second."""

    def __init__(self, show: Callable[[int, int, float], None]) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()
        self._first = self._last = 0.0
        self.sent = 0
        self._attempt = self._blobs = self._there = self._kept = 0
        self.total = 0

    def begin(self, total: int, there: int = 0) -> None:
        """A new attempt, of so many bytes of which some are there; what earlier ones sent still counts as sent."""
        with self._lock:
            self.total, self._kept, self._attempt, self._blobs, self._there = total, there, 0, 0, 0
            self._recent.clear()
            self._first = self._last = 0.0

    def count(self, digest: str, more: int) -> None:
        """``more`` bytes went out; those of a blob if it has a ``digest``."""
        now = time.monotonic()
        with self._lock:
            self.sent += more
            self._attempt += more
            if digest:
                self._first = self._first or now
                self._last = now
                self._blobs += more
            self._recent.append((now, more))
            while self._recent and now - self._recent[0][0] > WINDOW:
                self._recent.popleft()
            shown = self._shown()
        self._show(*shown)

    def node_has(self, done: int) -> None:
        """The node says how much is there, with what an earlier attempt brought."""
        with self._lock:
            self._there = max(self._there, done)
            shown = self._shown()
        self._show(*shown)

    def _shown(self) -> tuple[int, int, float]:
        done = min(max(self._kept + self._attempt, self._there), self.total)
        span = max(self._recent[-1][0] - self._recent[0][0], 0.5) if self._recent else 1.0
        return done, self.total, sum(count for _, count in self._recent) / span

    def rate(self) -> float | None:
        """Bytes a second of the last attempt; None if that was too little to tell."""
        seconds = self._last - self._first
        if self._blobs < ENOUGH_BYTES or seconds < ENOUGH_SECONDS:
            return None
        return self._blobs / seconds


def remember_link(node: Node, measured: float | None, round_trip: float, link: Link) -> None:
    """Let the next estimate know: half of the new rate, half of the old one. One query, or none.

    What ran against a limit says nothing of the line and is not kept. ``measured`` in bytes a second.
    """
    if measured is None or (link.cap and measured >= NEAR_THE_LIMIT * link.cap):
        return
    rate = measured * NEW_SHARE + link.rate * (1 - NEW_SHARE) if link.measured else measured
    trip = round_trip * NEW_SHARE + link.round_trip * (1 - NEW_SHARE) if link.measured else round_trip
    Node.objects.filter(pk=node.pk).update(link_rate=int(rate), link_round_trip=trip, link_measured_at=timezone.now())
