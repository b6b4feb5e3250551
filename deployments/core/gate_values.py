"""What the gate is told and what it answers, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .facts_values import ServiceFacts
    from .health_values import Probe, Probed, ServedProbe
    from .quadlet_values import Mode

GRACE = 30.0
"""Seconds beyond READY and the settle window, for reading the node."""


@dataclass(frozen=True, slots=True)
class GateSpec:
    """What is waited for. Times are seconds; ``began`` is when the switch had restarted the unit, by the samples'
    clock (a sample from while it was being stopped would tell of the old one).

    ``start_timeout`` is what the service has until READY, ``settle`` how long it then has to stay well.
    ``probes`` are the health checks that have to be good, one of each side; the handshake is one too.
    """

    mode: Mode
    image_id: str
    began: float
    start_timeout: float = 120.0
    settle: float = 20.0
    probes: tuple[Probe | ServedProbe, ...] = ()

    @property
    def ready_by(self) -> float:
        """The moment after which a service that is not ready has failed."""
        return self.began + self.start_timeout

    @property
    def ends(self) -> float:
        """The moment after which nothing is waited for any more."""
        return self.ready_by + self.settle + GRACE

    @property
    def too_late(self) -> str:
        """The sentence for a service that was not ready in time."""
        return f"Not ready within {self.start_timeout:.0f} s."

    @property
    def unwatched(self) -> str:
        """The sentence for a settle window that nobody saw the end of."""
        return "It was not seen to stay well to the end of the settle window."


@dataclass(frozen=True, slots=True)
class Sample:
    """What one reading said of the service at ``at`` (seconds, the dashboard's clock).

    ``active``, ``sub`` and ``result`` are systemd's, ``restarts`` its own (NRestarts) and the supervisor's together;
    ``container`` (its id), ``image_id``, ``started`` and ``health`` podman's, "" where there is no container or no
    word. ``heartbeat_age`` is seconds since the supervisor heard of the program (or, of one that sends no signs of
    life, since the supervisor itself was heard of), None if unknown.
    ``probes`` is what health checks saw right after the reading, none of a side that was not asked.
    """

    at: float
    active: str
    sub: str = ""
    result: str = ""
    restarts: int = 0
    container: str = ""
    image_id: str = ""
    started: str = ""
    health: str = ""
    heartbeat_age: float | None = None
    probes: tuple[Probed, ...] = ()

    @classmethod
    def of(cls, facts: ServiceFacts, at: float) -> Sample:
        """From the facts of a service, read at ``at``. A container that does not run counts as none."""
        container = facts.container if facts.container and facts.container.running else None
        return cls(
            at=at,
            active=facts.active,
            sub=facts.sub,
            result=facts.result,
            restarts=facts.restarts + facts.restarts_inside,
            container=container.id if container else "",
            image_id=container.image_id if container else "",
            started=(container.started or "") if container else "",
            health=(container.health or "") if container else "",
            heartbeat_age=facts.status_age if facts.heartbeat_age is None else facts.heartbeat_age,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """``waiting``, ``passed`` or ``failed``, the reasons as sentences, and when it became ready (or None)."""

    state: str
    reasons: tuple[str, ...]
    ready_at: float | None = None
