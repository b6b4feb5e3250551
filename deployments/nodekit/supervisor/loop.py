"""The loop: waits for signals, signs of life and the ends of processes, and tells how things are."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deployments.nodekit.supervisor.child import Child, signal_name
from deployments.nodekit.supervisor.course import Course
from deployments.nodekit.supervisor.due import due
from deployments.nodekit.supervisor.keeper import Keeper
from deployments.nodekit.supervisor.passing import STOP_SIGNALS, at_a_terminal, passed_on
from deployments.nodekit.supervisor.spec import Policy, Spec
from deployments.nodekit.supervisor.telling import Notifier, Say, Speaker, StatusFile, speaker


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
        self.course = Course(specs, policy or Policy(), say or speaker(), notifier or Notifier(None), single=single)
        self._keeper = Keeper(self.course)
        self._status = StatusFile(status) if status is not None else None
        self._on_ready = on_ready
        self._ready, self._written, self._next_beat = False, "", 0.0
        self._passed_on = passed_on(terminal=at_a_terminal())

    def run(self) -> int:
        """Supervise until the end and return the exit code. Only in the main thread: it takes the signals."""
        course = self.course
        self._warn()
        waking, wake = os.pipe()
        for end in (waking, wake):
            os.set_blocking(end, False)
        before = {n: signal.signal(n, _wake_up) for n in (*STOP_SIGNALS, *self._passed_on, signal.SIGCHLD)}
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        course.selector.register(waking, selectors.EVENT_READ, lambda now: None)
        try:
            while not course.over:
                self._turn(waking)
        finally:
            self._keeper.abandon()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in (waking, wake):
                os.close(end)
        self._report(time.monotonic())
        course.notifier.close()
        course.say("", course.verdict or f"stopped, exit code {course.code}")
        if isinstance(course.say, Speaker):
            course.say.flush(1.0)
        return course.code

    def _warn(self) -> None:
        watchdog = self.course.notifier.watchdog
        worst = self.course.policy.worst(probed=any(child.spec.probe for child in self.course.children.values()))
        if watchdog is not None and watchdog < worst:
            self.course.say("", f"the watchdog of {watchdog:g} s is shorter than hang and restart ({worst:g} s)")

    def _turn(self, waking: int) -> None:
        interval, timeout = self.course.policy.interval, self._patience()
        asked = time.monotonic()
        events = self.course.selector.select(timeout)
        now = time.monotonic()
        lag = now - asked - timeout
        if lag > interval / 2:  # we did not run ourselves (stopped, starved)
            self._keeper.signs.shift(lag)
        for key, _ in events:
            key.data(now)
        with contextlib.suppress(BlockingIOError):
            for number in os.read(waking, 512):
                self._take(number)
        self._reap(now)
        for child in self.course.children.values():
            self._keeper.attend(child, now)
        self._report(now)
        if isinstance(self.course.say, Speaker):
            self.course.say.flush()

    def _patience(self) -> float:
        """Seconds that nothing need be looked at, unless something comes."""
        course, now = self.course, time.monotonic()
        moments = [due(child, course, now) for child in course.children.values()]
        moments += [self._keeper.signs.due(child) for child in course.children.values()]
        if isinstance(course.say, Speaker) and course.say.holds:
            moments.append(now + 1.0)
        return max(0.01, min(self._next_beat, *moments) - now)

    def _take(self, number: int) -> None:
        """A signal came to the supervisor."""
        if number in self._passed_on:
            for child in self.course.children.values():
                if child.running:
                    child.signal(number)
        elif number in STOP_SIGNALS and self.course.stopping:
            self.course.say("", f"{signal_name(number)} again: killing what is left")
            for child in self.course.children.values():
                child.kill_at = 0.0
        elif number in STOP_SIGNALS:
            self.course.signal = number if self.course.single else int(signal.SIGTERM)
            self.course.stop(f"{signal_name(number)}: stopping")

    def _reap(self, now: float) -> None:
        """Take in all that ended: children, probes, orphans. What the first two leave running is killed before."""
        owners = {child.pid: child for child in self.course.children.values() if child.pid}
        while True:
            try:  # WNOWAIT: while it is a zombie, its number and so its group's is nobody else's
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            child = owners.get(ended.si_pid)
            if child is None:
                self._keeper.signs.ending(ended.si_pid)
            elif child.running:
                child.signal(signal.SIGKILL)
            os.waitpid(ended.si_pid, 0)
            by = 0 if ended.si_code == os.CLD_EXITED else ended.si_status
            if child is None:
                self._keeper.signs.ended(ended.si_pid, ended.si_status, by)
            else:
                child.code = 128 + by if by else ended.si_status
                self._keeper.ended(child, by, now)

    def _report(self, now: float) -> None:
        """Tell systemd and the status file how things are."""
        course, children = self.course, list(self.course.children.values())
        troubles = [child.trouble for child in children if child.trouble]
        alive = not course.stopping and all(child.well for child in children)
        ending = "stopped" if course.over else "stopping" if course.stopping else ""
        words = course.verdict or ending or "; ".join(troubles) or f"healthy: {', '.join(course.children)}"
        if alive and not troubles:
            course.notifier.send("READY", "1")
            self._note_ready()
        course.notifier.send("STATUS", words)
        due = now >= self._next_beat
        if due:
            self._next_beat = now + min(course.policy.interval, (course.notifier.watchdog or 1e9) / 2)
            self._feed(children, alive=alive)
        if self._status is not None and (due or words != self._written):
            self._written = words
            self._status.write(words, [child.row(now) for child in children])

    def _feed(self, children: Sequence[Child], *, alive: bool) -> None:
        """The watchdog: one that only waits for something else is alive, and no restart of ours would help it."""
        notifier = self.course.notifier
        if alive:
            notifier.send("WATCHDOG", "1", again=True)
        elif not self._ready and not self.course.stopping and all(child.well or child.lack for child in children):
            notifier.send("EXTEND_TIMEOUT_USEC", f"{self.course.policy.interval * 3e6:.0f}", again=True)

    def _note_ready(self) -> None:
        if self._ready:
            return
        self._ready = True
        self.course.say("", f"ready: {', '.join(self.course.children)}")
        if self._on_ready is not None:
            try:
                self._on_ready()
            except OSError as error:  # what is only said to people is no reason to end the programs
                self.course.say("", f"what was to be done when ready failed: {error}")


def _wake_up(number: int, frame: object) -> None:
    """The number arrives by the wake-up descriptor; a handler must be there so that it is delivered at all."""
