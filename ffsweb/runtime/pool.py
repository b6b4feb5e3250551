"""Whether a pool of threads still works: asked by a small job, judged by whether its threads move at all.

A pool of which every thread runs an operation answers no question for a long time and is well: an operation waits for
its node, but it wakes up every half second to look whether it should stop. Threads that hang do not even do that, so
the kernel's count of their going to sleep stands still.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

STILL: Final = 60.0
"""Seconds without any movement in any thread of a full pool, after which it is stuck."""


class PoolWatch:
    """Has ``pool`` answer ``ask`` every ``every`` seconds; ``ask`` gives "" or what it lacks, in words."""

    def __init__(self, pool: ThreadPoolExecutor, ask: Callable[[], str], *, every: float, still: float) -> None:
        self._pool, self._ask, self._every, self._limit = pool, ask, every, still
        self._asked: Future[str] | None = None
        self._due = self._moved_at = 0.0
        self._moves: dict[int, int] = {}
        self._lack: str | None = None

    def look(self) -> str | None:
        """ "" when it works, what it lacks when it waits for something, None while neither can be said. Never blocks.

        Before the first answer that is None; later the last answer counts while the pool is full, until it is stuck.
        """
        now = time.monotonic()
        if self._asked is not None and self._asked.done():
            self._lack, self._asked, self._due = self._asked.result(), None, now + self._every
        if self._asked is None:
            if now >= self._due:
                self._asked, self._moved_at, self._moves = self._pool.submit(self._ask), now, {}
            return self._lack
        return None if self._stuck(now) else self._lack

    def _stuck(self, now: float) -> bool:
        moves = {thread.native_id: switches(thread.native_id) for thread in self._pool._threads if thread.native_id}
        if moves != self._moves:
            self._moves, self._moved_at = moves, now
        return now - self._moved_at >= self._limit


def switches(thread: int) -> int:
    """How often the thread of this process has given up a processor, see proc_pid_status(5); 0 if it is gone."""
    try:
        lines = Path(f"/proc/self/task/{thread}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
