"""The gate: whether a switched service is live, decided from samples alone. Nothing is asked, no clock is read.

A service passes when it became ready in time and then stayed the same for the settle window: active, the same
container since the same moment, the wanted image, no restart, no bad word from its health check or supervisor, and
good answers to every probe that is wanted. The first thing that cannot be taken back fails it; what a deadline still
allows is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gate_values import GateSpec, Sample, Verdict
from .quadlet_values import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FAILED", "PASSED", "WAITING", "GateSpec", "Sample", "Verdict", "judge", "to_be_probed"]

WAITING, PASSED, FAILED = "waiting", "passed", "failed"

MAX_START_RESTARTS = 3
HEARTBEAT_LIMIT = 40.0
"""Crashes before READY that fail the gate; seconds of a silent supervisor that fail it."""

_RUNNING = {"active", "reloading", "refreshing"}
_BETWEEN = "before-auto-restart"
"""systemd passes through ``failed-before-auto-restart`` on its way to the next start (src/core/service.c)."""


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


def to_be_probed(spec: GateSpec, sample: Sample) -> bool:
    """Whether what is missing of this sample is the word of probes alone: before that they need not be asked."""
    return bool(spec.probes) and not _broken(spec, sample) and not _down(spec, sample)


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
        seen = (probed.sentence for probed in sample.probes)
        return Verdict(PASSED, (f"Ready, and the same for {spec.settle:.0f} s.", *seen), ready.at)
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
    return next((probed.sentence for probed in sample.probes if probed.hopeless), "")


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
    return _down(spec, sample) or _bad(sample) or _unasked(spec, sample)


def _bad(sample: Sample) -> str:
    return next((probed.sentence for probed in sample.probes if not probed.good), "")


def _unasked(spec: GateSpec, sample: Sample) -> str:
    asked = {probed.side for probed in sample.probes}
    sides = (probe.side for probe in spec.probes if probe.side not in asked)
    return next((f"The health check was not asked from the {side}." for side in sides), "")


def _down(spec: GateSpec, sample: Sample) -> str:
    """What the reading alone has against it, or ""."""
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
    return _silent(spec, sample) or _bad(sample)
