"""When it is told that a service serves another certificate than it should, or that nobody could see it. Pure.

A rotation switches a unit and restarts a service, which takes minutes: what was wrong in one look alarms nobody. So
it has to stay wrong for longer than a look takes, and while an operation is at work the counts begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .served import MATCH, MISMATCH

WRONG = timedelta(minutes=30)
"""Three looks that saw another certificate."""
NOT_DEPLOYED = timedelta(days=1)
"""Another one was chosen, and not deployed: somebody may have put it off to the evening."""
UNSEEN = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is remembered of one service from look to look; moments are aware UTC, None: it is not so.

    ``pending``: what it serves is what its node has, and another one was chosen.
    """

    wrong_since: datetime | None = None
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
        return replace(before, wrong_since=wrong, unseen_since=unseen)
    if state == MISMATCH:
        return Watched(before.wrong_since or now, reason, pending)
    return replace(before, unseen_since=before.unseen_since or now, unseen=reason)


def is_wrong(watched: Watched, now: datetime, *, running: datetime) -> bool | None:
    """Whether a mismatch has lasted; None: there is one, and it is too early to say. ``running``: since when the
    dashboard has looked without a gap. Nothing counts from before: a dashboard that was away judges by what it
    sees."""
    return _lasted(watched.wrong_since, NOT_DEPLOYED if watched.pending else WRONG, now, running)


def is_unseen(watched: Watched, now: datetime, *, running: datetime) -> bool | None:
    """The same of nobody having seen what it serves."""
    return _lasted(watched.unseen_since, UNSEEN, now, running)


def _lasted(since: datetime | None, patience: timedelta, now: datetime, running: datetime) -> bool | None:
    if since is None:
        return False
    return True if now - max(since, running) >= patience else None
