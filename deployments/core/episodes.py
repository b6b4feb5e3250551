"""When trouble is told of, and when it is over: one bad reading is not trouble yet, one good one is not its end."""

from __future__ import annotations

from dataclasses import dataclass, replace

GAP = 300.0
"""Seconds between two readings after which nothing is assumed of the time between them."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that something has to be bad before it is told of, and well before that is."""

    bad: float
    well: float


@dataclass(frozen=True, slots=True)
class Episode:
    """How something was seen up to the last reading. Moments are seconds since 1970, by the dashboard's clock.

    ``since``: the trouble that was told of began then; None if there is none. ``reason``: what it is. ``bad_since``
    and ``well_since``: all readings from then on were bad, or good (kept while there is trouble only).
    """

    since: float | None = None
    reason: str = ""
    bad_since: float | None = None
    well_since: float | None = None

    def next(
        self,
        problem: str,
        at: float,
        *,
        last: float | None,
        patience: Patience,
        sure: bool = False,
        shaky: bool = False,
    ) -> Episode:
        """After one more reading at ``at``; ``last`` is when the one before it was taken.

        ``problem`` is what is wrong, "" for nothing. ``sure``: it is told of at once. ``shaky``: nothing is wrong,
        and yet this reading does not count as a good one. A gap in the readings begins both counts anew, so a
        dashboard that was away for an hour does not call an hour bad of which it saw two moments.
        """
        before = self if last is not None and at - last <= GAP else replace(self, bad_since=None, well_since=None)
        if problem:
            began = before.bad_since if before.bad_since is not None else at
            if before.since is not None:
                return replace(before, reason=problem, bad_since=began, well_since=None)
            if sure or at - began >= patience.bad:
                return Episode(since=began, reason=problem, bad_since=began)
            return Episode(bad_since=began)
        if before.since is None:
            return Episode()
        if shaky:
            return Episode(since=before.since, reason=before.reason)
        began = before.well_since if before.well_since is not None else at
        if at - began >= patience.well:
            return Episode()
        return Episode(since=before.since, reason=before.reason, well_since=began)

    def unseen(self) -> Episode:
        """After a time in which nobody judged: trouble stays, counts begin anew."""
        return Episode(since=self.since, reason=self.reason)
