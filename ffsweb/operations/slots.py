"""How many event streams this process serves at once: each holds a socket and some memory."""

from __future__ import annotations

import threading
from collections import Counter

from .limits import streams_per_process, streams_per_user

_lock = threading.Lock()
_held: Counter[int] = Counter()


class Slot:
    """The right to one stream, until it is released or forgotten."""

    def __init__(self, user_id: int) -> None:
        self._user_id = user_id
        self._released = False

    def release(self) -> None:
        """Give it back; again does nothing."""
        with _lock:
            if not self._released:
                self._released = True
                _held[self._user_id] -= 1
                if _held[self._user_id] <= 0:
                    del _held[self._user_id]

    def __del__(self) -> None:
        # A request that was cut before its answer began never closes its response.
        self.release()


def take(user_id: int) -> Slot | None:
    """A slot for one stream of this person, or None if the process or the person has as many as allowed."""
    with _lock:
        if _held.total() >= streams_per_process() or _held[user_id] >= streams_per_user():
            if not _held[user_id]:
                del _held[user_id]
            return None
        _held[user_id] += 1
    return Slot(user_id)


def held() -> int:
    """Streams served now."""
    with _lock:
        return _held.total()
