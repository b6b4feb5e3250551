"""The loop: starts, listens, reaps, restarts, and ends everything in order."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deployments.nodekit.supervisor.child import (
    DRAINING,
    HEALTHY,
    RESET,
    SETTLE,
    STARTING,
    STOPPED,
    STOPPING,
    WAITING,
    Child,
    Policy,
    Spec,
    restart_delay,
    signal_name,
)
from deployments.nodekit.supervisor.telling import Notifier, Say, speaker, write_status

GAVE_UP = 100
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Supervisor:
    """Runs children until a signal or a crash loop ends it. ``single``: one program, whose end is our end.

    ``on_ready`` is called once, when all children are healthy for the first time; it must not block.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        policy: Policy | None = None,
        notifier: Notifier | None = None,
        say: Say | None = None,
        status: Path | None = None,
        single: bool = False,
        on_ready: Callable[[], object] | None = None,
    ) -> None:
        self._policy, self._notifier, self._say = policy or Policy(), notifier or Notifier(None), say or speaker()
        self._children = {spec.name: Child(spec) for spec in specs}
        self._status, self._single, self._on_ready = status, single, on_ready
        self._selector = selectors.DefaultSelector()
        self._signal = int(signal.SIGTERM)
        self._stopping = self._ready = False
        self._code, self._verdict, self._written, self._next_beat = 0, "", "", 0.0
        self._asked = 0.0  # when the end began

    def run(self) -> int:
        """Supervise until the end and return the exit code. Only in the main thread: it takes the signals."""
        watchdog = self._notifier.watchdog
        if watchdog is not None and watchdog < self._policy.worst:
            self._say(
                "", f"the watchdog of {watchdog:g} s is shorter than hang and restart ({self._policy.worst:g} s)"
            )
        waking, wake = os.pipe()
        for end in (waking, wake):
            os.set_blocking(end, False)
        before = {n: signal.signal(n, _wake_up) for n in (*STOP_SIGNALS, *PASSED_ON, signal.SIGCHLD)}
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(waking, selectors.EVENT_READ, None)
        try:
            while not (self._stopping and all(child.over for child in self._children.values())):
                self._turn(waking)
        finally:
            self._abandon()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in (waking, wake):
                os.close(end)
        self._report(time.monotonic())
        self._notifier.close()
        self._say("", self._verdict or f"stopped, exit code {self._code}")
        return self._code

    def _abandon(self) -> None:
        """Leave no process and no descriptor, whatever ended the loop."""
        for child in self._children.values():
            if not child.over:
                child.signal(signal.SIGKILL)
            self._close(child)
        self._selector.close()

    def _turn(self, waking: int) -> None:
        hurried = any(child.state in (STOPPING, DRAINING) for child in self._children.values())
        timeout = min(0.05 if hurried else 1.0, self._policy.interval / 4)
        asked = time.monotonic()
        events = self._selector.select(timeout)
        now = time.monotonic()
        lag = now - asked - timeout
        if lag > self._policy.interval:  # we did not run ourselves (stopped, starved): nobody is judged by that
            for child in self._children.values():
                child.beat, child.started = child.beat + lag, child.started + lag
        for key, _ in events:
            if key.data is not None:
                self._listen(key.data, now)
        with contextlib.suppress(BlockingIOError):
            for number in os.read(waking, 512):
                self._take(number)
        self._reap(now)
        for child in self._children.values():
            self._attend(child, now)
        self._report(now)

    def _take(self, number: int) -> None:
        """A signal came to the supervisor."""
        if number in PASSED_ON:
            for child in self._children.values():
                if child.running:
                    child.signal(number)
        elif number in STOP_SIGNALS and self._stopping:
            self._say("", f"{signal_name(number)} again: killing what is left")
            for child in self._children.values():
                child.kill_at = 0.0
        elif number in STOP_SIGNALS:
            self._signal = number if self._single else int(signal.SIGTERM)
            self._stop(f"{signal_name(number)}: stopping")

    def _stop(self, why: str) -> None:
        self._say("", why)
        self._stopping, self._asked = True, time.monotonic()
        self._notifier.send("STOPPING", "1")

    def _listen(self, child: Child, now: float) -> None:
        try:
            data = os.read(child.pipe, 65536)
        except BlockingIOError:
            return
        if not data:
            self._close(child)
            child.deaf = True
            if child.expects and child.state == HEALTHY:
                self._say(child.spec.name, "closed its heartbeat pipe")
        elif b"H" in data:
            child.beat, child.missed, child.beats = now, 0, child.beats + 1
            if child.beats == 1:
                self._say(child.spec.name, f"first heartbeat after {now - child.started:.1f} s")
            if child.state == STARTING:
                child.state, child.healthy_since = HEALTHY, now

    def _close(self, child: Child) -> None:
        if child.pipe >= 0:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def _reap(self, now: float) -> None:
        """Take in every process that ended, children and orphans alike; a child's stragglers are killed first."""
        owners = {child.pid: child for child in self._children.values() if child.pid}
        while True:
            try:  # WNOWAIT: while it is a zombie, its number and so its group's is nobody else's
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            child = owners.get(ended.si_pid)
            if child is not None and child.running:
                child.signal(signal.SIGKILL)
            os.waitpid(ended.si_pid, 0)
            if child is not None:
                by = 0 if ended.si_code == os.CLD_EXITED else ended.si_status
                child.code = 128 + by if by else ended.si_status
                self._ended(child, by, now)

    def _ended(self, child: Child, by: int, now: float) -> None:
        """The child's process is gone; ``by`` is the signal that killed it, or 0."""
        self._close(child)
        words = f"was killed by {signal_name(by)}" if by else f"exited with {child.code}"
        if not child.running:
            self._say(child.spec.name, words)
            child.code = 0 if by == self._signal else child.code  # it ended of what was passed on, as asked
            child.state = DRAINING
            return
        self._say(child.spec.name, f"{words}, {now - child.started:.1f} s after its start")
        child.state, child.pid = STOPPED, 0
        if self._single and (self._stopping or child.code == 0):
            self._stopping, self._code = True, self._code or child.code
        elif not self._stopping:
            self._crashed(child, words, now)

    def _crashed(self, child: Child, words: str, now: float) -> None:
        p = self._policy
        child.crashes = [*child.crashes, now][-p.crashes :]
        if len(child.crashes) == p.crashes and now - child.crashes[0] <= p.crash_window:
            child.state, child.reason, self._code = STOPPED, words, GAVE_UP
            self._verdict = (
                f"gave up: {child.spec.name} ended {p.crashes} times within {p.crash_window:g} s; it {words}"
            )
            self._stop(f"{child.spec.name} does not stay up: stopping everything")
        else:
            self._failed(child, words, now)

    def _failed(self, child: Child, reason: str, now: float) -> None:
        child.reason, child.failures, child.restarts = reason, child.failures + 1, child.restarts + 1
        delay = restart_delay(child.failures)
        child.state, child.pid, child.start_at = WAITING, 0, now + delay
        self._say(child.spec.name, f"restart in {delay:g} s" if delay else "restart at once")

    def _start(self, child: Child, now: float) -> None:
        child.started = child.beat = now
        try:
            child.spawn(self._policy.interval)
        except (OSError, ValueError) as error:
            self._say(child.spec.name, f"cannot be started: {error}")
            if self._single and not child.restarts:
                missing = isinstance(error, OSError) and error.errno == errno.ENOENT
                child.state, self._stopping, self._code = STOPPED, True, 127 if missing else 126
            else:
                self._crashed(child, f"cannot be started ({error})", now)
            return
        self._selector.register(child.pipe, selectors.EVENT_READ, child)
        self._say(child.spec.name, f"started (pid {child.pid})")

    def _attend(self, child: Child, now: float) -> None:
        """Do what time alone asks for."""
        if child.state == WAITING and not self._stopping:
            if now >= child.start_at and all(self._children[name].healthy for name in child.spec.after):
                self._start(child, now)
        elif child.running and self._stopping:
            if all(c.over for c in self._children.values() if child.spec.name in c.spec.after):
                self._end(child, self._signal, now)
        elif child.state == STARTING:
            self._await(child, now)
        elif child.state == HEALTHY:
            self._watch(child, now)
        elif child.state in (STOPPING, DRAINING):
            self._finish(child, now)

    def _await(self, child: Child, now: float) -> None:
        age, p = now - child.started, self._policy
        if child.spec.heartbeat != "required" and age >= SETTLE:
            child.state, child.healthy_since = HEALTHY, now
        elif child.spec.heartbeat == "required" and age >= p.start_timeout:
            self._hung(child, f"no heartbeat within {p.start_timeout:g} s of its start", now)

    def _watch(self, child: Child, now: float) -> None:
        p, age = self._policy, now - child.beat
        if now - child.healthy_since >= RESET:
            child.failures, child.crashes = 0, []
        if not child.expects:
            return
        if age >= p.interval * p.misses:
            self._hung(child, f"hung: no heartbeat for {age:.0f} s", now)
        elif age >= p.interval * (child.missed + 1.5):  # half an interval of patience before it is worth a line
            child.missed += 1
            self._say(child.spec.name, f"missed {child.missed} of {p.misses} heartbeats")

    def _hung(self, child: Child, reason: str, now: float) -> None:
        self._say(child.spec.name, reason)
        child.reason, child.hung = reason, True
        self._end(child, signal.SIGTERM, now)

    def _end(self, child: Child, number: int, now: float) -> None:
        child.state, child.kill_at = STOPPING, now + self._policy.grace
        if self._stopping:  # one grace for all: who is stopped last gets what the others left of it
            child.kill_at = max(now + 1.0, self._asked + self._policy.grace)
        child.signal(number)

    def _finish(self, child: Child, now: float) -> None:
        late = now >= child.kill_at
        if late and not child.killed:
            child.killed, child.kill_at = True, now + 1.0
            self._say(child.spec.name, f"killed: it did not end within {self._policy.grace:g} s of being asked")
            child.signal(signal.SIGKILL)
        # The second half: a member of the group that we may not signal must not keep us for ever.
        elif child.state == DRAINING and (not child.signal(0) or late):
            if child.hung and not self._stopping:
                self._failed(child, child.reason, now)
                return
            child.state, child.pid = STOPPED, 0
            if self._single and not self._code:
                self._code = child.code

    def _ending(self, children: Sequence[Child]) -> str:
        if not self._stopping:
            return ""
        return "stopped" if all(child.over for child in children) else "stopping"

    def _report(self, now: float) -> None:
        """Tell systemd and the status file how things are."""
        children = list(self._children.values())
        troubles = "; ".join(child.trouble for child in children if child.trouble)
        well = not troubles and not self._stopping
        words = self._verdict or self._ending(children) or troubles or f"healthy: {', '.join(self._children)}"
        if well and not self._ready:
            self._ready = True
            self._notifier.send("READY", "1")
            self._say("", f"ready: {', '.join(self._children)}")
            if self._on_ready is not None:
                self._on_ready()
        self._notifier.send("STATUS", words)
        due = now >= self._next_beat
        if due:
            self._next_beat = now + min(self._policy.interval, (self._notifier.watchdog or 1e9) / 2)
            if well:
                self._notifier.send("WATCHDOG", "1")
        if self._status is not None and (due or words != self._written):
            self._written = words
            write_status(self._status, words, [child.row(now) for child in children])


def _wake_up(number: int, frame: object) -> None:
    """The number arrives by the wake-up descriptor; a handler must be there so that it is delivered at all."""
