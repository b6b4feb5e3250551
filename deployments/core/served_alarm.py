"""When it is told that a service serves another certificate than it should, or that nobody could see it. Pure.

A rotation switches a unit and restarts a service, which takes minutes: what was wrong in one look alarms nobody. So
it has to stay wrong for longer than a look takes, and while an operation is at work the counts begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .served import MATCH, UNKNOWN

WRONG = timedelta(minutes=30)
"""Three looks that saw another certificate."""
NOT_DEPLOYED = timedelta(days=1)
"""Another one was chosen, and not deployed: somebody may have put it off to the evening."""
UNSEEN = timedelta(days=1)
USUAL_DAYS = (7, 47, 90, 100, 200, 398, 825)
"""How long certificates of public authorities live, or lived."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is remembered of one service from look to look; moments are aware UTC, None: it is not so.

    ``wrong_at``: when a look saw it last. ``pending``: it serves what its node has, and another one was chosen.
    """

    wrong_since: datetime | None = None
    wrong_at: datetime | None = None
    wrong: str = ""
    pending: bool = False
    unseen_since: datetime | None = None
    unseen: str = ""


def after(before: Watched, state: str, reason: str, now: datetime, *, held: bool, pending: bool = False) -> Watched:
    """After a comparison that gave ``state`` (see ``served.compare``) because of ``reason``; ``held``: an operation
    is at work on it. Not to know what is served ends nothing, and begins no mismatch."""
    if state == MATCH:
        return Watched()
    if held:
        wrong, unseen = before.wrong_since and now, before.unseen_since and now
        return replace(before, wrong_since=wrong, wrong_at=wrong, unseen_since=unseen)
    if state == UNKNOWN:
        return replace(before, unseen_since=before.unseen_since or now, unseen=reason)
    return Watched(before.wrong_since or now, now, reason, pending)


def life_begins(not_before: datetime | None, not_after: datetime, first_seen: datetime) -> datetime:
    """When the life of a certificate began, of which half and third count. Guessed if it was not read: it lives as
    long as the shortest-lived of the usual ones that could have that much left; a guess is late, never early."""
    if not_before is not None:
        return not_before
    left = not_after - first_seen
    lives = (timedelta(days=days) for days in USUAL_DAYS)
    return not_after - next((life for life in lives if life >= left), left)


def is_wrong(watched: Watched, now: datetime, *, running: datetime) -> bool | None:
    """Whether looks have seen a mismatch for long; None: there is one, and it is too early to say.

    ``running``: since when the dashboard has looked without a gap. Nothing counts from before: a dashboard that was
    away judges by what it sees.
    """
    last = watched.wrong_at or now
    return _lasted(watched.wrong_since, NOT_DEPLOYED if watched.pending else WRONG, last, running)


def is_unseen(watched: Watched, now: datetime, *, running: datetime) -> bool | None:
    """The same of nobody having seen what it serves."""
    return _lasted(watched.unseen_since, UNSEEN, now, running)


def _lasted(since: datetime | None, patience: timedelta, now: datetime, running: datetime) -> bool | None:
    if since is None:
        return False
    return True if now - max(since, running) >= patience else None
