"""When a node may reboot for an update of its system: Zincati's periodic strategy, staggered between nodes.

Zincati's default is to reboot as soon as an update is there, all nodes at once. See coreos/zincati
``docs/usage/updates-strategy.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

DAYS = ("Tue", "Wed", "Thu", "Mon", "Fri", "Sat", "Sun")
"""Weekdays first, so that somebody is there when the first nodes come back."""
HOURS = (2, 3, 4, 1, 5, 0)
_SLOTS = len(DAYS) * len(HOURS)


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly window: day (``Mon``), start (``HH:MM``, UTC) and length in minutes."""

    day: str
    start: str
    minutes: int


def window(index: int, count: int) -> Window:
    """The window of node ``index`` (from 0) of the ``count`` nodes of a project.

    Up to 42 nodes have an hour of their own in the week's nights, 84 half an hour; beyond that they share. A node
    keeps its day and hour when nodes are added. Raises ValueError if there is no such node.
    """
    if not 0 <= index < count:
        raise ValueError(f"there is no node {index} of {count}")
    slot, second = index % _SLOTS, index // _SLOTS % 2
    hour = HOURS[slot // len(DAYS)]
    return Window(DAYS[slot % len(DAYS)], f"{hour:02}:{30 * second:02}", 60 if count <= _SLOTS else 30)


def strategy(chosen: Window) -> str:
    """The file for ``/etc/zincati/config.d/``."""
    return f"""\
# Updates of the system are downloaded at any time; the reboot into them waits for this window.
[updates]
strategy = "periodic"

[updates.periodic]
time_zone = "UTC"

[[updates.periodic.window]]
days = [ "{chosen.day}" ]
start_time = "{chosen.start}"
length_minutes = {chosen.minutes}
"""
