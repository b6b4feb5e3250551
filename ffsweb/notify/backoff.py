"""When a mail that could not be sent is tried again. Pure."""

from __future__ import annotations

from datetime import timedelta

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
"""After the first failed attempt, the second, …; the last one from then on."""
PATIENCE = timedelta(days=7)
"""How long a mail is tried, counted from when it was written or somebody asked to try it again."""

SERVER_PATIENCE = timedelta(days=30)
"""The same of a mail that fails at the mail server alone: whoever is away for a week loses none."""


def pause_after(attempts: int) -> timedelta:
    """How long to wait after ``attempts`` (1 or more) failed ones."""
    return PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
