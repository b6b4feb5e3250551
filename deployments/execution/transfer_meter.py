"""Counts what goes to a node: for the page while it goes, for the log afterwards, and for the next estimate."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core.transfer_cost import strength_of
from deployments.core.transfer_values import FETCH
from deployments.models import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployments.core.transfer_values import Link, Transfer

WINDOW = 4.0
"""Seconds over which the rate that pages show is taken."""
ENOUGH_BYTES, ENOUGH_SECONDS = 1_000_000, 0.1
"""A transfer below this says more about a node's work than about the line."""
BUFFERED = 4 * 1024 * 1024
"""Bytes that a channel's window and the sockets of both ends take at once, however slow the line is."""
NEW_SHARE = 0.5
NEAR_THE_LIMIT = 0.8


class Meter:
    """The bytes of one push, over all its attempts. Thread-safe. ``show`` is given done, total and bytes a second."""

    def __init__(self, show: Callable[[int, int, float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._show, self._clock = show, clock
        self._lock = threading.Lock()
        self.sent = self.total = 0
        self._begin(0, 0)

    def _begin(self, total: int, there: int) -> None:
        self.total, self._kept = total, there
        self._attempt = self._there = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self._last = self._clock()
        self._left = _Course(BUFFERED)
        self._arrived = _Course(0)

    def begin(self, total: int, there: int = 0) -> None:
        """A new attempt, of so many bytes of which some are there; what earlier ones sent still counts as sent."""
        with self._lock:
            self._begin(total, there)

    def count(self, digest: str, more: int) -> None:
        """``more`` bytes went out; those of a blob if it has a ``digest``."""
        now = self._clock()
        with self._lock:
            self.sent += more
            self._attempt += more
            self._last = now
            if digest:
                self._left.came(now, self._left.last + more)
            self._recent.append((now, more))
            self._in_window += more
            while now - self._recent[0][0] > WINDOW:
                self._in_window -= self._recent.popleft()[1]
            shown = self._shown()
        self._show(*shown)

    def node_has(self, done: int) -> None:
        """The node says how much is there, with what an earlier attempt brought."""
        with self._lock:
            self._there = max(self._there, done)
            self._arrived.came(self._clock(), self._there)
            shown = self._shown()
        self._show(*shown)

    @property
    def since_the_last(self) -> float:
        """Seconds since something went out."""
        return self._clock() - self._last

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left of this attempt but the node's own work."""
        return self._kept + self._attempt >= self.total

    def _shown(self) -> tuple[int, int, float]:
        done = min(max(self._kept + self._attempt, self._there), self.total)
        span = max(self._recent[-1][0] - self._recent[0][0], 0.5) if self._recent else 1.0
        return done, self.total, self._in_window / span

    def rate(self) -> float | None:
        """Bytes a second of the last attempt, by the node's word where it gave one; None if too little came to tell.

        What has left this machine may still wait in buffers on the way, so the first of it says nothing.
        """
        arrived = self._arrived.rate()
        return arrived if arrived is not None else self._left.rate()


class _Course:
    """How a number of bytes grew, from ``begin`` on."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self._first: tuple[float, int] | None = None
        self.last = 0
        self._at = 0.0

    def came(self, now: float, count: int) -> None:
        self.last, self._at = count, now
        if self._first is None and count >= self._begin:
            self._first = now, count

    def rate(self) -> float | None:
        if self._first is None:
            return None
        seconds, count = self._at - self._first[0], self.last - self._first[1]
        return count / seconds if count >= ENOUGH_BYTES and seconds >= ENOUGH_SECONDS else None


def remember_link(node: Node, measured: float | None, round_trip: float, link: Link) -> None:
    """Let the next estimate know: half of the new rate, half of the old one. One query, or none.

    What ran against a limit says nothing of the line and is not kept. ``measured`` in bytes a second.
    """
    if measured is None or (link.cap and measured >= NEAR_THE_LIMIT * link.cap):
        return
    rate = measured * NEW_SHARE + link.rate * (1 - NEW_SHARE) if link.measured else measured
    trip = round_trip * NEW_SHARE + link.round_trip * (1 - NEW_SHARE) if link.measured else round_trip
    Node.objects.filter(pk=node.pk).update(link_rate=int(rate), link_round_trip=trip, link_measured_at=timezone.now())


def remember_strength(node: Node, transfer: Transfer, seconds: float) -> None:
    """Let the next estimate know how fast the node put together what it had fetched. One query, or none.

    ``seconds``: from the last byte on. podman's own pulls say nothing: they unpack while bytes come.
    """
    if transfer.way != FETCH:
        return
    strength = strength_of(transfer.work, seconds, node.strength)
    if strength is not None:
        Node.objects.filter(pk=node.pk).update(strength=round(strength, 2))
