"""What is to be supervised, and by which rules.

Named tuples throughout the supervisor: the module ``dataclasses`` would cost it a megabyte of memory.
"""

from __future__ import annotations

from typing import NamedTuple


class Probe(NamedTuple):
    """A question to a program that writes no heartbeats.

    ``kind``: ``http``, ``https``, ``tcp``, ``command`` or ``valkey``. ``host`` (for ``valkey`` the socket's path) and
    ``port`` say where, ``path`` is that of the URL, ``argv`` the command.
    """

    kind: str
    host: str = ""
    port: int = 0
    path: str = ""
    argv: tuple[str, ...] = ()


class Policy(NamedTuple):
    """When a child counts as hung or as crashing for ever, and what it is granted; all times in seconds.

    ``reset``: so long healthy, and earlier failures are forgotten.
    """

    interval: float = 10.0
    misses: int = 3
    grace: float = 5.0
    start_timeout: float = 90.0
    probe_timeout: float = 5.0
    crashes: int = 3
    crash_window: float = 5.0
    reset: float = 60.0

    def worst(self, *, probed: bool) -> float:
        """The longest that a hang and its restart may take."""
        hang = self.interval * self.misses
        if probed:  # asked once an interval, or as soon as the last question has been given up
            hang = self.interval + max(self.interval, self.probe_timeout) * (self.misses - 1) + self.probe_timeout
        return hang + self.grace + self.start_timeout


class Spec(NamedTuple):
    """A program to keep running. ``heartbeat``: ``required``; ``optional`` (from the first one on); ``none``.

    ``probe`` is asked besides. It starts once the children named in ``after`` are healthy, and they are stopped only
    after it. ``environment`` is added for this child alone; what is in ``without`` is taken out.
    """

    name: str
    argv: tuple[str, ...]
    heartbeat: str = "required"
    after: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    probe: Probe | None = None


def restart_delay(failures: int) -> float:
    """Seconds before the restart that follows so many failures in a row: 0, 0, 1, 2, 4 … 60."""
    return 0.0 if failures <= 2 else min(60.0, 2.0 ** (min(failures, 10) - 3))
