"""The engine's numbers. Times are in seconds. Some can be set in Django's settings, for tests above all."""

from __future__ import annotations

from typing import Final

from django.conf import settings

RESEND_AFTER: Final = 10.0
"""A queued operation that nobody claimed for so long is sent to the broker again."""

MESSAGE_EXPIRES: Final = 60.0
"""A message that no worker took for so long is worthless: the tick has sent another."""

LOG_INTERVAL: Final = 0.1
"""Under load, log lines are committed this often; when it is quiet, at once."""

QUEUE_ITEMS: Final = 10_000
"""So many writes may wait for the database; after that, who writes has to wait too."""

BATCH_ITEMS: Final = 1_000
LINE_CHARACTERS: Final = 4_000
OUTPUT_LINES: Final = 200_000
"""Lines of the nodes' programs kept for one operation; the dashboard's own lines are always kept."""

POOL_THREADS: Final = 16
PARK_GRACE: Final = 3.0
"""A kind that does not return so long after the worker began to stop is cut off from the journal and parked."""

TAKEOVERS: Final = 5
"""After so many workers died under it, an operation ends as unknown: it is likely what kills them."""

DATABASE_PARKS: Final = 5
"""So often an operation whose own queries fail goes on from its journal; then it has failed."""


STREAM_THREADS: Final = 4
"""Threads that read the database for all event streams of a process: permissions, and lines of long ago."""

ADMITTED_AT_ONCE: Final = 8
"""Requests for event streams that are looked at at once; the others wait their turn."""


def lease_seconds() -> float:
    """How long a claim lasts without renewal (``settings.OPERATIONS_LEASE``, 90)."""
    return float(getattr(settings, "OPERATIONS_LEASE", 90.0))


def watch_seconds() -> float:
    """How often a running operation looks for a cancel, a shutdown or a lost lease."""
    return float(getattr(settings, "OPERATIONS_WATCH", 0.25))


def stream_seconds() -> float:
    """The longest life of one event stream (``settings.OPERATIONS_STREAM_AGE``, 600); the browser comes back."""
    return float(getattr(settings, "OPERATIONS_STREAM_AGE", 600.0))


def streams_per_process() -> int:
    """Event streams that one web process serves at once (``settings.OPERATIONS_STREAMS``, 2000)."""
    return int(getattr(settings, "OPERATIONS_STREAMS", 2_000))


def streams_per_user() -> int:
    """Event streams that one person may hold in one web process (``settings.OPERATIONS_STREAMS_PER_USER``, 12)."""
    return int(getattr(settings, "OPERATIONS_STREAMS_PER_USER", 12))
