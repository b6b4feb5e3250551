"""A small bounded hand-over between two threads, which either side may leave."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds ``limit`` items; a full one makes the sender wait, and so, in the end, the node."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._abandoned = False

    def put(self, item: T) -> bool:
        """Hand over, waiting for room; ``False`` at once when nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._limit)
            if not self._abandoned:
                self._items.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def get(self, seconds: float) -> T | None:
        """The next item, or ``None`` when none came within ``seconds``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, max(0.0, seconds)):
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def abandon(self) -> None:
        """The reader leaves; senders are released."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()
