"""The gate: whether a switched service is live, decided from samples alone. Nothing is asked, no clock is read.

A service passes when it became ready in time and then stayed the same for the settle window: active, the same
container since the same moment, the wanted image, no restart, no bad word from its health check or supervisor. The
first thing that cannot be taken back fails it; what a deadline still allows is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .quadlet import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .facts_values import ServiceFacts

WAITING, PASSED, FAILED = "waiting", "passed", "failed"

MAX_START_RESTARTS = 3
HEARTBEAT_LIMIT = 40.0
GRACE = 30.0
"""Crashes before READY that fail the gate; seconds of a silent supervisor; seconds left over for reading the node."""

_RUNNING = {"active", "reloading", "refreshing"}
_BETWEEN = "before-auto-restart"
"""systemd passes through ``failed-before-auto-restart`` on its way to the next start (src/core/service.c)."""


@dataclass(frozen=True, slots=True)
class GateSpec:
    """What is waited for. Times are seconds; ``began`` is when the switch had restarted the unit, by the samples'
    clock (a sample from while it was being stopped would tell of the old one).

    ``start_timeout`` is what the service has until READY, ``settle`` how long it then has to stay well.
    """

    mode: Mode
    image_id: str
    began: float
    start_timeout: float = 120.0
    settle: float = 20.0

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
    word. ``heartbeat_age`` is seconds, None if unknown.
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

    @classmethod
    def of(cls, facts: ServiceFacts, at: float) -> Sample:
        """From the facts of a service, read at ``at``. A container that does not run counts as none."""
        container = facts.container if facts.container and facts.container.running else None
        return cls(
            at=at,
            active=facts.active,
            sub=facts.sub,
            result=facts.result,
            restarts=facts.restarts + _restarts_inside(facts),
            container=container.id if container else "",
            image_id=container.image_id if container else "",
            started=(container.started or "") if container else "",
            health=(container.health or "") if container else "",
            heartbeat_age=facts.heartbeat_age,
        )


def _restarts_inside(facts: ServiceFacts) -> int:
    """Restarts by the supervisor, which systemd does not see; the status file of an earlier run tells of none."""
    beats = facts.heartbeats
    if beats is None or facts.since is None or beats.at < facts.since:
        return 0
    return sum(child.restarts for child in beats.children)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``waiting``, ``passed`` or ``failed``, the reasons as sentences, and when it became ready (or None)."""

    state: str
    reasons: tuple[str, ...]
    ready_at: float | None = None


def judge(spec: GateSpec, samples: Iterable[Sample], now: float | None = None) -> Verdict:
    """The verdict on the samples so far, in any order; those from before the switch do not count.

    ``now`` (by the samples' clock) matters when the node cannot be read: without new samples the deadlines still
    pass. Later samples never turn a verdict into another one.
    """
    ordered = sorted((sample for sample in samples if sample.at >= spec.began), key=lambda sample: sample.at)
    ready: Sample | None = None
    for sample in ordered:
        verdict = _decided(spec, ready, sample)
        if verdict:
            return verdict
        if ready is None and not _missing(spec, sample):
            ready = sample
    return _undecided(spec, ready, ordered[-1] if ordered else None, now)


def _decided(spec: GateSpec, ready: Sample | None, sample: Sample) -> Verdict | None:
    """What ``sample`` settles for good, given the first ready one before it."""
    failure = _broken(spec, sample) or (_unsteady(spec, ready, sample) if ready else _hopeless(spec, sample))
    if failure:
        return Verdict(FAILED, (failure,), ready.at if ready else None)
    missing = _missing(spec, sample)
    if ready is None:
        if sample.at > spec.ready_by:
            return Verdict(FAILED, (spec.too_late, missing or "It became ready after that."))
        ready = sample
    if missing:
        return Verdict(FAILED, (spec.unwatched, missing), ready.at) if sample.at > spec.ends else None
    if sample.at - ready.at >= spec.settle:
        return Verdict(PASSED, (f"Ready, and the same for {spec.settle:.0f} s.",), ready.at)
    return None


def _undecided(spec: GateSpec, ready: Sample | None, last: Sample | None, now: float | None) -> Verdict:
    """The deadlines, where no sample has decided."""
    if ready is None or last is None:
        missing = _missing(spec, last) if last else "The node was not read since the switch."
        if now is not None and now > spec.ready_by:
            return Verdict(FAILED, (spec.too_late, missing))
        return Verdict(WAITING, (f"Waiting until it is ready. {missing}",))
    if now is not None and now > spec.ends:
        return Verdict(FAILED, (spec.unwatched,), ready.at)
    left = max(0.0, spec.settle - (last.at - ready.at))
    return Verdict(WAITING, (f"Ready; it has to stay well for {left:.0f} s more.",), ready.at)


def _broken(spec: GateSpec, sample: Sample) -> str:
    """What is wrong at any moment after the switch, or ""."""
    if sample.active not in _RUNNING | {"activating", "deactivating"} and not sample.sub.endswith(_BETWEEN):
        return _stopped(sample)
    if sample.image_id and sample.image_id != spec.image_id:
        return f"It runs the image {sample.image_id[:19]}, not {spec.image_id[:19]}."
    return ""


def _stopped(sample: Sample) -> str:
    said = f" ({sample.result})" if sample.result and sample.result != "success" else ""
    words = {
        "failed": f"The unit failed{said}.",
        "inactive": f"The unit is not running{said}: it ended, was stopped, or its condition does not hold.",
    }
    return words.get(sample.active, f"The unit is {sample.active or 'in no state'}{said}.")


def _hopeless(spec: GateSpec, sample: Sample) -> str:
    """What ends the wait for READY before its deadline, or ""."""
    if sample.restarts >= MAX_START_RESTARTS:
        why = sample.result or sample.sub or "no reason given"
        return f"It crashed {sample.restarts} times before it was ready ({why})."
    if spec.mode is Mode.HEALTH and sample.active in _RUNNING and sample.health == "unhealthy":
        return "Its health check says unhealthy."
    return ""


def _missing(spec: GateSpec, sample: Sample) -> str:
    """What keeps a sample from counting as ready, or ""."""
    if sample.active not in _RUNNING:
        sub = f" ({sample.sub})" if sample.sub else ""
        return f"The unit is {sample.active}{sub}."
    if not sample.container or not sample.image_id:
        return "No container is running yet."
    if spec.mode is Mode.HEALTH and sample.health != "healthy":
        return f"Its health check says {sample.health or 'nothing'}."
    return _silent(spec, sample)


def _silent(spec: GateSpec, sample: Sample) -> str:
    age = sample.heartbeat_age
    if spec.mode is not Mode.SUPERVISOR or age is None or age <= HEARTBEAT_LIMIT:
        return ""
    return f"Its supervisor has heard nothing for {age:.0f} s."


def _unsteady(spec: GateSpec, ready: Sample, sample: Sample) -> str:
    """How a sample of the settle window differs from the first ready one, or ""."""
    if sample.active not in _RUNNING:
        return f"It ended after it had been ready; the unit is {sample.active} ({sample.result or sample.sub})."
    if sample.restarts != ready.restarts:
        return f"It was restarted after it had been ready ({sample.restarts - ready.restarts:+d} restarts)."
    if not sample.container:
        return "Its container is gone."
    if (sample.container, sample.started) != (ready.container, ready.started):
        return "Another container runs than the one that was ready."
    if ready.health == "healthy" and sample.health == "unhealthy":
        return "Its health check says unhealthy."
    return _silent(spec, sample)
