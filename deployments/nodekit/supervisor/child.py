"""One supervised program: what it is, its process and pipe, and what is known of it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

SETTLE = 1.0  # seconds after which a child that owes no heartbeat counts as running
RESET = 60.0  # healthy seconds after which earlier failures are forgotten
WAITING, STARTING, HEALTHY = "waiting", "starting", "healthy"
STOPPING, DRAINING, STOPPED = "stopping", "draining", "stopped"
NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FFS_HEARTBEAT_FD", "FFS_HEARTBEAT_INTERVAL")


@dataclass(frozen=True)
class Policy:
    """When a child counts as hung or as crashing for ever, and what it is granted; all times in seconds."""

    interval: float = 10.0
    misses: int = 3
    grace: float = 5.0
    start_timeout: float = 90.0
    crashes: int = 3
    crash_window: float = 5.0

    @property
    def worst(self) -> float:
        """The longest that a hang and its restart may take."""
        return self.interval * self.misses + self.grace + self.start_timeout


@dataclass(frozen=True)
class Spec:
    """A program to keep running. ``heartbeat``: ``required``; ``optional`` (from the first one on); ``none``.

    It starts once the children named in ``after`` are healthy, and they are stopped only after it.
    ``environment`` is added for this child alone; what is in ``without`` is taken out.
    """

    name: str
    argv: tuple[str, ...]
    heartbeat: str = "required"
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()


def restart_delay(failures: int) -> float:
    """Seconds before the restart that follows so many failures in a row: 0, 0, 1, 2, 4 … 60."""
    return 0.0 if failures <= 2 else min(60.0, 2.0 ** (min(failures, 10) - 3))


def signal_name(number: int) -> str:
    """``SIGTERM``; a real-time signal has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Child:
    """The state of one program. All moments are of the monotonic clock."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.state, self.pid, self.pipe = spec, WAITING, 0, -1
        self.started = self.beat = self.healthy_since = self.start_at = self.kill_at = 0.0
        self.beats = self.missed = self.failures = self.restarts = self.code = 0
        self.deaf = self.hung = self.killed = False  # deaf: it closed its pipe
        self.crashes: list[float] = []
        self.reason = ""

    @property
    def expects(self) -> bool:
        """Whether heartbeats must come."""
        return self.spec.heartbeat == "required" or (self.spec.heartbeat == "optional" and self.beats > 0)

    @property
    def healthy(self) -> bool:
        """Whether it runs and, as far as it owes heartbeats, can still send them."""
        return self.state == HEALTHY and not (self.deaf and self.expects)

    @property
    def running(self) -> bool:
        """Whether it runs and nobody asked it to end."""
        return self.state in (STARTING, HEALTHY)

    @property
    def over(self) -> bool:
        """Whether no process of it is left."""
        return self.state in (WAITING, STOPPED)

    @property
    def trouble(self) -> str:
        """What is wrong, in words; empty when healthy."""
        if self.healthy:
            return ""
        words = "closed its heartbeat pipe" if self.state == HEALTHY else self.state
        return f"{self.spec.name}: {words}" + (f" ({self.reason})" if self.reason else "")

    def row(self, now: float) -> dict[str, object]:
        """What the status file says of it."""
        return {
            "name": self.spec.name,
            "state": "unhealthy" if self.state == HEALTHY and not self.healthy else self.state,
            "pid": self.pid or None,
            "heartbeat_age": round(now - self.beat, 1) if self.beats else None,
            "restarts": self.restarts,
            "reason": self.reason or None,
        }

    def spawn(self, interval: float) -> None:
        """Start the process in a session of its own; it inherits the standard streams and the pipe, no more.

        Raises ``OSError`` or ``ValueError`` (a NUL in an argument) when it cannot be started.
        """
        reading, writing = os.pipe()
        try:
            os.set_blocking(writing, False)
            os.set_blocking(reading, False)
            hidden = (*NOT_INHERITED, *self.spec.without)
            environment = {name: value for name, value in os.environ.items() if name not in hidden}
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
        self.pid, self.pipe, self.state = process.pid, reading, STARTING
        self.beats = self.missed = 0
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
