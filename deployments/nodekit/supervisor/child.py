"""One supervised program: what it is, its process and pipe, and what is known of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

from deployments.nodekit.supervisor.spec import Spec

PATIENCE = 1.5  # intervals without a heartbeat before it is worth a line, for the first one that is missed
SETTLE = 1.0  # seconds after which a child that owes no sign of life counts as running
WAITING, STARTING, HEALTHY = "waiting", "starting", "healthy"
STOPPING, DRAINING, STOPPED = "stopping", "draining", "stopped"
NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FFS_HEARTBEAT_FD", "FFS_HEARTBEAT_INTERVAL")
SECRET = ("CERT_PASS",)  # the other secrets come as files and were never in our environment


def signal_name(number: int) -> str:
    """``SIGTERM``; a real-time signal has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def heard(data: bytes) -> str | None:
    """The last thing that was written to the pipe: "" for ``H``; what it waits for, of ``W`` and a line; or None."""
    words = re.findall(rb"W[^\n]*|H", data[-512:])
    if not words:
        return None
    last: bytes = words[-1]
    return "" if last == b"H" else last[1:100].decode(errors="replace").strip() or "something else"


def clean_environment(without: tuple[str, ...] = ()) -> dict[str, str]:
    """Ours, less what is the supervisor's alone."""
    return {name: value for name, value in os.environ.items() if name not in (*NOT_INHERITED, *without)}


class Child:
    """The state of one program. All moments but ``since`` (UTC epoch) are of the monotonic clock."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.state, self.since = spec, WAITING, time.time()
        self.pid, self.pipe, self.listening = 0, -1, False
        self.started = self.beat = self.answered = self.healthy_since = self.start_at = self.kill_at = 0.0
        self.listen_at = 0.0
        self.beats = self.answers = self.missed = self.failed = self.failures = self.restarts = self.code = 0
        self.deaf = self.hung = self.killed = False  # deaf: it closed its pipe
        self.crashes: list[float] = []
        self.reason = self.lack = self.refusal = ""  # lack: what it says it waits for; refusal: of the last probe

    def become(self, state: str) -> None:
        """Change the state."""
        self.state, self.since = state, time.time()

    @property
    def expects(self) -> bool:
        """Whether heartbeats must come."""
        return self.spec.heartbeat == "required" or (self.spec.heartbeat == "optional" and self.beats > 0)

    @property
    def owes_a_beat(self) -> bool:
        """Whether it must write a heartbeat before it counts as started."""
        return self.spec.heartbeat == "required" or bool(self.lack)

    @property
    def well(self) -> bool:
        """Whether it runs and, as far as it owes heartbeats, can still send them; it may wait for something else."""
        return self.state == HEALTHY and not (self.deaf and self.expects)

    @property
    def running(self) -> bool:
        """Whether it runs and nobody asked it to end."""
        return self.state in (STARTING, HEALTHY)

    @property
    def over(self) -> bool:
        """Whether no process of it is left."""
        return self.state in (WAITING, STOPPED)

    def proven(self, now: float) -> bool:
        """Whether every sign of life that it owes has come at least once; without any, it must run for a second."""
        if self.lack or (self.spec.heartbeat == "required" and not self.beats):
            return False
        if self.spec.probe is not None:
            return self.answers > 0
        return self.beats > 0 or now - self.started >= SETTLE

    @property
    def trouble(self) -> str:
        """What is wrong, in words; empty when healthy."""
        words, because = self.state, self.reason
        if self.running and self.lack:
            words, because = f"waits: {self.lack}", ""
        elif self.well:
            return ""
        elif self.state == HEALTHY:
            words = "closed its heartbeat pipe"
        elif self.state == STARTING:
            because = self.refusal or because
        return f"{self.spec.name}: {words}" + (f" ({because})" if because else "")

    def silent(self, now: float) -> float | None:
        """Seconds since the sign of life that it owes for the longest; None before there was one."""
        moments = [self.beat] * (self.beats > 0) + [self.answered] * (self.answers > 0)
        return now - min(moments) if moments else None

    def row(self, now: float) -> dict[str, object]:
        """What the status file says of it."""
        silent, state = self.silent(now), self.state
        if self.running and self.lack:
            state = "waits"
        elif state == HEALTHY and self.trouble:
            state = "unhealthy"
        return {
            "name": self.spec.name[:100],
            "state": state,
            "since": round(self.since, 3),
            "pid": self.pid or None,
            "heartbeat_age": None if silent is None else round(silent, 1),
            "restarts": self.restarts,
            "reason": self.lack or self.reason or None,
        }

    def spawn(self, interval: float) -> None:
        """Start the process in a session of its own; it inherits the standard streams and the pipe, no more.

        Raises ``OSError`` or ``ValueError`` (a NUL in an argument) when it cannot be started.
        """
        reading, writing = os.pipe()
        try:
            os.set_blocking(writing, False)
            os.set_blocking(reading, False)
            environment = clean_environment(self.spec.without)
            environment.update(self.spec.environment)
            listens = self.spec.heartbeat != "none"
            if listens:
                environment.update(FFS_HEARTBEAT_FD=str(writing), FFS_HEARTBEAT_INTERVAL=f"{interval:g}")
            process = subprocess.Popen(
                self.spec.argv, env=environment, pass_fds=(writing,) if listens else (), start_new_session=True
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        process.returncode = 0  # the supervisor reaps by itself; so told, Popen does not try to
        self.pid, self.pipe = process.pid, reading
        self.become(STARTING)
        self.beats = self.answers = self.missed = self.failed = 0
        self.lack = self.refusal = ""
        self.listen_at = 0.0
        self.deaf = not listens
        self.hung = self.killed = False

    def signal(self, number: int) -> bool:
        """Signal the whole process group; False when nothing of it is left."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # a member runs as another user, so there is one
            return True
        return True
