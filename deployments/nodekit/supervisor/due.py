"""When something is due: the moments at which time alone asks for something, so that nobody need look before."""

from __future__ import annotations

from deployments.nodekit.supervisor.child import (
    DRAINING,
    HEALTHY,
    PATIENCE,
    SETTLE,
    STARTING,
    STOPPING,
    WAITING,
    Child,
)
from deployments.nodekit.supervisor.course import Course

NEVER = float("inf")
DRAIN = 0.05  # seconds after which it is looked again whether a group is gone: nobody tells of strangers' ends


def due(child: Child, course: Course, now: float) -> float:
    """When :meth:`Keeper.attend` has something to do for the child: a moment of the monotonic clock, or NEVER."""
    if child.running and course.stopping:
        return now if course.last(child) else NEVER
    if child.state == WAITING:
        ready = not course.stopping and all(course.children[name].well for name in child.spec.after)
        return child.start_at if ready else NEVER
    if child.state == STARTING:
        return _starting(child, course, now)
    if child.state == HEALTHY:
        return _healthy(child, course)
    if child.state == STOPPING:
        return NEVER if child.killed else child.kill_at
    return now + DRAIN if child.state == DRAINING else NEVER


def _starting(child: Child, course: Course, now: float) -> float:
    if child.proven(now):
        return now
    limit = child.started + course.policy.start_timeout
    if child.owes_a_beat or child.spec.probe is not None:
        return limit
    return child.started + SETTLE


def _healthy(child: Child, course: Course) -> float:
    p = course.policy
    moments = [NEVER]
    if child.failures or child.crashes:
        moments.append(child.healthy_since + p.reset)
    if child.expects:
        moments += [child.beat + p.interval * p.misses, child.beat + p.interval * (child.missed + PATIENCE)]
    return min(moments)
