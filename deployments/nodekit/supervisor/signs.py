"""Signs of life: heartbeats that come by the pipe, and answers to probes."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable

from deployments.nodekit.supervisor.asking import Asking
from deployments.nodekit.supervisor.child import HEALTHY, STARTING, Child, heard
from deployments.nodekit.supervisor.course import Course
from deployments.nodekit.supervisor.due import NEVER
from deployments.nodekit.supervisor.spec import Probe

Hung = Callable[[Child, str, float], None]  # what is done with a child that hangs, why, and now


class Signs:
    """Listens and asks, for the children of one run. Moments are of the monotonic clock."""

    def __init__(self, course: Course, hung: Hung) -> None:
        self.course, self._hung, self._say = course, hung, course.say
        self._probes: dict[str, Asking] = {}
        for child in course.children.values():
            if child.spec.probe is not None:
                self._probes[child.spec.name] = self._asking(child, child.spec.probe)

    def _asking(self, child: Child, probe: Probe) -> Asking:
        timeout = self.course.policy.probe_timeout
        return Asking(probe, timeout, self.course.selector, lambda words: self.probed(child, words))

    def begin(self, child: Child, now: float) -> None:
        """It was started: listen, and ask soon."""
        self.listen(child, on=True)
        asking = self._probes.get(child.spec.name)
        if asking is not None:
            asking.due = now + min(0.2, self.course.policy.interval / 4)

    def turn(self, child: Child, now: float) -> None:
        """Do what time asks for: listen again, ask again."""
        if child.pipe >= 0 and now >= child.listen_at:
            self.listen(child, on=True)
        asking = self._probes.get(child.spec.name)
        if asking is not None and child.running:
            interval = self.course.policy.interval
            asking.turn(now, interval if child.state == HEALTHY else min(1.0, interval))

    def due(self, child: Child) -> float:
        """When :meth:`turn` has something to do for the child."""
        asking = self._probes.get(child.spec.name)
        answer = asking.moment if asking is not None and child.running else NEVER
        deaf = child.pipe >= 0 and not child.listening
        return min(answer, child.listen_at) if deaf else answer

    def shift(self, lag: float) -> None:
        """Nobody is judged by the time in which the supervisor did not run itself."""
        for child in self.course.children.values():
            child.beat, child.started = child.beat + lag, child.started + lag
        for asking in self._probes.values():
            asking.shift(lag)

    def ending(self, pid: int) -> None:
        """It has ended and is not reaped yet: if it asked, what it has started goes with it."""
        for asking in self._probes.values():
            if asking.pid == pid:
                asking.kill()

    def ended(self, pid: int, code: int, by: int) -> None:
        """A process that is no child has ended: one that asked, or an orphan."""
        for asking in self._probes.values():
            if asking.pid == pid:
                asking.ended(code, by)

    def silence(self, child: Child) -> None:
        """Ask it no more."""
        asking = self._probes.get(child.spec.name)
        if asking is not None:
            asking.leave()

    def close(self, child: Child) -> None:
        """Let go of its pipe and of its probe."""
        self.silence(child)
        self.listen(child, on=False)
        if child.pipe >= 0:
            os.close(child.pipe)
            child.pipe = -1

    def listen(self, child: Child, *, on: bool) -> None:
        """Have the loop listen to its pipe, or not."""
        if on and child.pipe >= 0 and not child.listening:
            self.course.selector.register(child.pipe, selectors.EVENT_READ, lambda now: self.hear(child, now))
            child.listening = True
        elif not on and child.listening:
            self.course.selector.unregister(child.pipe)
            child.listening = False

    def hear(self, child: Child, now: float) -> None:
        """Its pipe can be read."""
        try:
            data = os.read(child.pipe, 65536)
        except BlockingIOError:
            return
        if not data:
            self.listen(child, on=False)
            os.close(child.pipe)
            child.pipe, child.deaf = -1, True
            if child.expects and child.state == HEALTHY:
                self._say(child.spec.name, "closed its heartbeat pipe")
            return
        # One that writes without pause must not keep us busy: it is heard again a moment later.
        pause = min(0.25, self.course.policy.interval / 8)
        if now < child.listen_at + pause:
            self.listen(child, on=False)
        child.listen_at = now + pause
        lack = heard(data)
        if lack is not None:
            self._heartbeat(child, lack, now)

    def _heartbeat(self, child: Child, lack: str, now: float) -> None:
        """One came: with what it waits for, or "" if it is well."""
        child.beat, child.missed = now, 0
        child.beats += 1
        if child.beats == 1:
            self._say(child.spec.name, f"first heartbeat after {now - child.started:.1f} s")
        if lack and child.state == STARTING:
            child.started = now  # it waits, so it may still start
        if lack != child.lack:
            self._say(child.spec.name, f"waits: {lack}" if lack else "waits no longer")
            child.lack = lack

    def probed(self, child: Child, words: str) -> None:
        """The answer to a probe: "" if healthy."""
        now, child.refusal = time.monotonic(), words
        if not child.running:
            return
        if not words:
            child.answers, child.answered, child.failed = child.answers + 1, now, 0
            if child.answers == 1:
                self._say(child.spec.name, f"first healthy answer after {now - child.started:.1f} s")
        elif child.state == HEALTHY:
            child.failed += 1
            self._say(child.spec.name, f"probe {child.failed} of {self.course.policy.misses} failed: {words}")
            if child.failed >= self.course.policy.misses:
                self._hung(child, f"hung: {child.failed} probes failed, the last: {words}", now)
