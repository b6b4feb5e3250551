"""Whether a service that was proven live is still well, decided from the facts of one reading and what was before.

A reading is bad when the unit failed, starts again or does not run, another release runs than the proven one, the
container is gone, its health check says unhealthy, or its supervisor is silent. Against flapping: a bad reading has
to be followed by bad ones for a minute, so one restart in a quiet night is told to nobody. Restarts are counted over
ten minutes: three of them are a crash loop, told of at once, whatever the unit is at the moment of the reading.
Trouble is over after five minutes of good readings without a restart.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from .episodes import Episode, Patience
from .gates import HEARTBEAT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .facts_values import ServiceFacts

SERVICE = Patience(bad=50.0, well=300.0)
"""Of a service: two readings of about a minute, and five minutes."""
NODE = Patience(bad=600.0, well=120.0)
"""Of a node that cannot be read: ten minutes, and two."""
LOOP_SECONDS = 600.0
LOOP_RESTARTS = 3
"""So many restarts within so many seconds are a crash loop."""
QUIET_SECONDS = 600
"""A service that was restarted and has been active for so long starts with the shortest pause the next time."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a service. ``restarts``: systemd's and the supervisor's count in the last judged reading;
    ``rises``: moment and number of the restarts of late, the oldest first."""

    episode: Episode = field(default_factory=Episode)
    restarts: tuple[int, int] | None = None
    rises: tuple[tuple[float, int], ...] = ()

    def as_json(self) -> dict[str, object]:
        """For a row: as JSON gives it back."""
        restarts = None if self.restarts is None else list(self.restarts)
        return {**asdict(self), "restarts": restarts, "rises": [list(rise) for rise in self.rises]}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Watch:
        """From a row; what is not of the form (another version wrote it) is as good as nothing."""
        try:
            episode, counts, rises = value["episode"], value["restarts"], value["rises"]
            return cls(
                Episode(**episode),  # type: ignore[arg-type]
                None if counts is None else (int(counts[0]), int(counts[1])),  # type: ignore[index]
                tuple((float(at), int(count)) for at, count in rises),  # type: ignore[attr-defined]
            )
        except (LookupError, TypeError, ValueError):
            return cls()

    def unseen(self) -> Watch:
        """After a time in which it was not judged: an operation held it."""
        return Watch(self.episode.unseen())


def judge(before: Watch, facts: ServiceFacts, *, live: int, at: float, last: float | None) -> Watch:
    """After a reading at ``at`` (seconds since 1970; ``last`` is the moment of the one before it), with ``live`` as
    the number of the release that was proven. Whether the reading is to be judged at all is for the caller to say."""
    counts = (facts.restarts, facts.restarts_inside)
    rise = sum(_rise(*pair) for pair in zip(before.restarts or counts, counts, strict=True))
    rises = tuple(each for each in before.rises if at - each[0] < LOOP_SECONDS)
    if rise:
        rises = (*rises, (at, rise))[-50:]
    several = sum(number for _, number in rises)
    looping = several >= LOOP_RESTARTS
    problem = _loop(several, at - rises[0][0], facts) if looping else problem_of(facts, live=live)
    episode = before.episode.next(problem, at, last=last, patience=SERVICE, sure=looping, shaky=rise > 0)
    return Watch(episode, counts, rises)


def problem_of(facts: ServiceFacts, *, live: int) -> str:
    """What is wrong with a service in one reading; "" if it is well. No text of the service is in it."""
    why = facts.result if facts.result not in {"", "success"} else facts.sub
    if facts.active == "failed":
        return f"The unit failed ({why})."
    if facts.active == "activating":
        return f"It is being started again ({why})." if "auto-restart" in facts.sub else "It does not become ready."
    if facts.active in {"inactive", "deactivating"}:
        return "It does not run, and nobody stopped it from the dashboard."
    if facts.release != live:
        return f"Release {facts.release} runs, and release {live} was proven."
    if facts.container is None or not facts.container.running:
        return "Its container does not run."
    if facts.container.health == "unhealthy":
        return "Its health check says unhealthy."
    age = facts.status_age if facts.heartbeat_age is None else facts.heartbeat_age
    if age is not None and age > HEARTBEAT_LIMIT:
        return "Its supervisor has heard nothing of the program, or is silent itself."
    return ""


def is_quiet(facts: ServiceFacts, *, time: float) -> bool:
    """Whether systemd may forget the restarts of a service: it has been well for QUIET_SECONDS, by the node's clock
    ``time``, and no switch is pending (its gate counts restarts)."""
    return (
        facts.restarts > 0
        and facts.active == "active"
        and facts.since is not None
        and time - facts.since >= QUIET_SECONDS
        and facts.pending is None
        and not problem_of(facts, live=facts.release or 0)
    )


def _rise(before: int, count: int) -> int:
    """Restarts since the reading before; a count that fell was begun anew (a boot, a switch, a reset)."""
    return count - before if count >= before else count


def _loop(several: int, seconds: float, facts: ServiceFacts) -> str:
    why = f", the last time because of {facts.result}" if facts.result not in {"", "success"} else ""
    within = f"within {max(1, round(seconds / 60))} min" if seconds else "between two readings"
    return f"It was restarted {several} times {within}{why}."
