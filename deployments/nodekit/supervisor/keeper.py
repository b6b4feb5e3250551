"""What happens to each child: started, watched, found hung or crashed, ended, started again."""

from __future__ import annotations

import errno
import signal

from deployments.nodekit.supervisor.child import (
    DRAINING,
    HEALTHY,
    PATIENCE,
    STARTING,
    STOPPED,
    STOPPING,
    WAITING,
    Child,
    signal_name,
)
from deployments.nodekit.supervisor.course import Course
from deployments.nodekit.supervisor.signs import Signs
from deployments.nodekit.supervisor.spec import restart_delay

GAVE_UP = 100


class Keeper:
    """Keeps the children of one run as they should be. Moments are of the monotonic clock."""

    def __init__(self, course: Course) -> None:
        self.course, self._say, self._policy = course, course.say, course.policy
        self.signs = Signs(course, self.hung)

    def abandon(self) -> None:
        """Leave no process and no descriptor, whatever ended the loop."""
        for child in self.course.children.values():
            if not child.over:
                child.signal(signal.SIGKILL)
            self.signs.close(child)
        self.course.selector.close()

    def ended(self, child: Child, by: int, now: float) -> None:
        """The child's process is gone; ``by`` is the signal that killed it, or 0."""
        self.signs.close(child)
        words = f"was killed by {signal_name(by)}" if by else f"exited with {child.code}"
        if not child.running:
            self._say(child.spec.name, words)
            child.code = 0 if by == self.course.signal else child.code  # it ended of what was passed on, as asked
            child.become(DRAINING)
            return
        self._say(child.spec.name, f"{words}, {now - child.started:.1f} s after its start")
        child.pid, child.lack = 0, ""
        child.become(STOPPED)
        if self.course.single and (self.course.stopping or child.code == 0):
            self.course.stopping, self.course.code = True, self.course.code or child.code
        elif not self.course.stopping:
            self._crashed(child, words, now)

    def _crashed(self, child: Child, words: str, now: float) -> None:
        p = self._policy
        child.crashes = [*child.crashes, now][-p.crashes :]
        if len(child.crashes) == p.crashes and now - child.crashes[0] <= p.crash_window:
            child.reason, self.course.code = words, GAVE_UP
            child.become(STOPPED)
            self.course.verdict = (
                f"gave up: {child.spec.name} ended {p.crashes} times within {p.crash_window:g} s; it {words}"
            )
            self.course.stop(f"{child.spec.name} does not stay up: stopping everything")
        else:
            self._failed(child, words, now)

    def _failed(self, child: Child, reason: str, now: float) -> None:
        child.reason, child.failures, child.restarts = reason[:300], child.failures + 1, child.restarts + 1
        delay = restart_delay(child.failures)
        child.pid, child.start_at = 0, now + delay
        child.become(WAITING)
        self._say(child.spec.name, f"restart in {delay:g} s" if delay else "restart at once")

    def _start(self, child: Child, now: float) -> None:
        child.started = child.beat = now
        try:
            child.spawn(self._policy.interval)
        except (OSError, ValueError) as error:
            self._say(child.spec.name, f"cannot be started: {error}")
            if self.course.single and not child.restarts:
                missing = isinstance(error, OSError) and error.errno == errno.ENOENT
                child.become(STOPPED)
                self.course.stopping, self.course.code = True, 127 if missing else 126
            else:
                self._crashed(child, f"cannot be started ({error})", now)
            return
        self.signs.begin(child, now)
        self._say(child.spec.name, f"started (pid {child.pid})")

    def attend(self, child: Child, now: float) -> None:
        """Do what time alone asks for."""
        self.signs.turn(child, now)
        if child.state == WAITING and not self.course.stopping:
            if now >= child.start_at and all(self.course.children[name].well for name in child.spec.after):
                self._start(child, now)
        elif child.running and self.course.stopping:
            if self.course.last(child):
                self.end(child, self.course.signal, now)
        elif child.state == STARTING:
            self._await(child, now)
        elif child.state == HEALTHY:
            self._judge(child, now)
        elif child.state in (STOPPING, DRAINING):
            self._finish(child, now)

    def _await(self, child: Child, now: float) -> None:
        limit, owes = self._policy.start_timeout, child.owes_a_beat
        if child.proven(now):
            child.healthy_since = now
            child.become(HEALTHY)
        elif (owes or child.spec.probe is not None) and now - child.started >= limit:
            sign = "heartbeat" if owes and (child.lack or not child.beats) else "healthy answer"
            because = f" ({child.refusal})" if child.refusal else ""
            self.hung(child, f"no {sign} within {limit:g} s of its start{because}", now)

    def _judge(self, child: Child, now: float) -> None:
        p, age = self._policy, now - child.beat
        if now - child.healthy_since >= p.reset:
            child.failures, child.crashes = 0, []
        if not child.expects:
            return
        if age >= p.interval * p.misses:
            self.hung(child, f"hung: no heartbeat for {age:.0f} s", now)
        elif age >= p.interval * (child.missed + PATIENCE):
            child.missed += 1
            self._say(child.spec.name, f"missed {child.missed} of {p.misses} heartbeats")

    def hung(self, child: Child, reason: str, now: float) -> None:
        """It does not work any more, whatever it says: ask it to end."""
        self._say(child.spec.name, reason)
        child.reason, child.lack, child.hung = reason[:300], "", True
        self.end(child, signal.SIGTERM, now)

    def end(self, child: Child, number: int, now: float) -> None:
        """Ask its process group to end."""
        self.signs.silence(child)
        child.become(STOPPING)
        child.kill_at = now + self._policy.grace
        if self.course.stopping:  # one grace for all: who is stopped last gets what the others left of it
            child.kill_at = max(now + 1.0, self.course.asked + self._policy.grace)
        child.signal(number)

    def _finish(self, child: Child, now: float) -> None:
        late = now >= child.kill_at
        if late and not child.killed:
            child.killed, child.kill_at = True, now + 1.0
            self._say(child.spec.name, f"killed: it did not end within {self._policy.grace:g} s of being asked")
            child.signal(signal.SIGKILL)
        # The second half: a member of the group that we may not signal must not keep us for ever.
        elif child.state == DRAINING and (not child.signal(0) or late):
            if child.hung and not self.course.stopping:
                self._failed(child, child.reason, now)
                return
            child.pid = 0
            child.become(STOPPED)
            if self.course.single and not self.course.code:
                self.course.code = child.code
