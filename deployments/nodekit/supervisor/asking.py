"""Asking probes without ever waiting for the answer: by a socket of the loop's, or by a short-lived process."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable

from deployments.nodekit.supervisor.child import SECRET, clean_environment, signal_name
from deployments.nodekit.supervisor.errand import run_errand
from deployments.nodekit.supervisor.probe import family, question, verdict
from deployments.nodekit.supervisor.spec import Probe

ENOUGH, FIRST_LINE = 65536, 256  # bytes of an answer that are read at most, and that are kept
Done = Callable[[str], None]  # what was wrong with the answer, or "" for a healthy one


class Asking:
    """One probe, asked again and again, one at a time. Moments are of the monotonic clock."""

    def __init__(self, probe: Probe, timeout: float, selector: selectors.BaseSelector, done: Done) -> None:
        self.pid, self.due = 0, 0.0
        self._probe, self._timeout, self._selector, self._done = probe, timeout, selector, done
        self._deadline, self._answer, self._size, self._said = 0.0, b"", 0, -1
        self._socket: socket.socket | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._socket is not None or bool(self.pid)

    @property
    def moment(self) -> float:
        """When :meth:`turn` has something to do."""
        return self._deadline if self.busy else self.due

    def turn(self, now: float, every: float) -> None:
        """Ask if it is time to, give up if it is too late."""
        if self.busy and now >= self._deadline:
            answer = self._answer if self._socket is not None else b""
            self.leave()
            # A page that never ends has said enough by its first line.
            self._done(verdict(self._probe, answer) if answer else f"no answer within {self._timeout:g} s")
        elif not self.busy and now >= self.due:
            self.due, self._deadline, self._answer, self._size = now + every, now + self._timeout, b"", 0
            try:
                self._ask()
            except OSError as error:
                self.leave()
                self._done(error.strerror or str(error))

    def shift(self, lag: float) -> None:
        """The supervisor did not run for so long: that is nobody's delay."""
        self._deadline += lag

    def leave(self) -> None:
        """Forget the question; a process that asks is killed, and reaped like any other."""
        if self._socket is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None
        if self.pid:
            self.kill()
            self.pid = 0
        if self._said >= 0:
            os.close(self._said)
            self._said = -1

    def kill(self) -> None:
        """Kill the process that asks and all that it has started. Only before it is reaped."""
        with contextlib.suppress(PermissionError):
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it was forked a moment ago and has no group of its own yet
                os.kill(self.pid, signal.SIGKILL)

    def ended(self, code: int, by: int) -> None:
        """The process that asked has ended: with ``code``, or by a signal."""
        words = ""
        if self._said >= 0:
            with contextlib.suppress(BlockingIOError):
                words = os.read(self._said, 300).decode(errors="replace")
        if by or code:
            name = "the probe's command " if self._probe.kind == "command" else "the probe "
            words = words or name + (f"was killed by {signal_name(by)}" if by else f"exited with {code}")
        self.pid = 0
        self.leave()
        self._done(words)

    def _ask(self) -> None:
        kind = family(self._probe)
        if kind is not None:
            self._dial(kind)
        elif self._probe.kind == "command":
            process = subprocess.Popen(
                self._probe.argv,
                env=clean_environment(SECRET),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            process.returncode = 0  # the loop reaps it
            self.pid = process.pid
        else:
            self._send_out()

    def _dial(self, kind: int) -> None:
        self._socket = socket.socket(kind, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        place = self._probe.host if kind == socket.AF_UNIX else (self._probe.host, self._probe.port)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(place)
        self._selector.register(self._socket, selectors.EVENT_WRITE, self._connected)

    def _connected(self, now: float) -> None:
        if self._socket is None:
            return
        refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        words = question(self._probe)
        if refused or not words:
            self.leave()
            self._done(os.strerror(refused) if refused else "")
            return
        try:
            self._socket.send(words)  # a few hundred bytes: the socket of a new connection takes them whole
            self._selector.modify(self._socket, selectors.EVENT_READ, self._answered)
        except OSError as error:
            self.leave()
            self._done(error.strerror or str(error))

    def _answered(self, now: float) -> None:
        if self._socket is None:
            return
        over = False
        try:
            data = self._socket.recv(16384)
            # The first line tells all; the rest is read so that the server is not cut short, and thrown away.
            self._answer, self._size = (self._answer + data)[:FIRST_LINE], self._size + len(data)
            over = not data or self._size >= ENOUGH
        except BlockingIOError:
            return
        except OSError:
            over = True
        if over or (self._probe.kind == "valkey" and b"\n" in self._answer):
            answer = self._answer
            self.leave()
            self._done(verdict(self._probe, answer))

    def _send_out(self) -> None:
        """A process of its own looks names up and speaks TLS: the libraries for it are larger than all of us."""
        self._said, saying = os.pipe()
        os.set_blocking(self._said, False)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                run_errand(self._probe, self._timeout, saying)
        finally:
            os.close(saying)
