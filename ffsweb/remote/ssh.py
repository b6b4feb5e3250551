"""The real session: many commands on one SSH connection."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ffsweb.remote.conversation import Conversation
from ffsweb.remote.errors import ConnectionLost, Deadline, Interrupted, RunRefused
from ffsweb.remote.events import Ended, Lines, Lost, Refused, SourceFailed
from ffsweb.remote.forward import ReverseForward
from ffsweb.remote.session import KEEP
from ffsweb.remote.values import Command, Line, Result
from ffsweb.remote.wire import way_and_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ffsweb.remote.session import Handler
    from ffsweb.remote.transport import StrictTransport
    from ffsweb.remote.values import Endpoint
    from ffsweb.remote.wire import Wire

_PARALLEL: Final = 8  # commands at a time; sshd's MaxSessions is 10, and what was stopped may linger there
_POLL: Final = 0.1  # seconds between looks at the stop event
_HANG_UP: Final = 0.3


class SshSession:
    """See ``session.Session`` for the contract. ``connect.connect`` makes them."""

    def __init__(self, endpoint: Endpoint, wire: Wire, transport: StrictTransport, host_key: str) -> None:
        self._endpoint = endpoint
        self._wire = wire
        self._transport = transport
        self._host_key = host_key
        self._slots = threading.Semaphore(_PARALLEL)
        self._dropped = ""  # why we ended it

    @property
    def public_host_key(self) -> str:
        return self._host_key

    @property
    def alive(self) -> bool:
        return self._transport.active

    def run(
        self,
        command: Command,
        *,
        on_line: Callable[[Line], None] | None = None,
        stop: threading.Event | None = None,
        keep: int = KEEP,
    ) -> Result:
        return _Run(self, command, on_line, stop).result(keep)

    def reverse_forward(self, handler: Handler, *, max_parallel: int = 8) -> ReverseForward:
        return ReverseForward(self._transport, handler, max_parallel)

    def round_trip(self) -> float:
        return way_and_back(self._wire.round_trip(), self._transport.quickest_answer)

    def close(self) -> None:
        self.drop("it was closed here")

    def drop(self, why: str) -> None:
        """End the connection at once, whatever any thread is waiting for; never blocks."""
        self._dropped = self._dropped or why
        self._wire.close()
        self._transport.close()

    def why_lost(self) -> str:
        """What is known of the end of the connection, as ``: …`` or nothing."""
        error = self._transport.saved_exception
        said = self._transport.farewell and f"the node said {self._transport.farewell!r}"
        known = self._dropped or said or (str(error) if error else "")
        return f": {known}" if known else ""

    def conversation(self, command: Command, *, want_lines: bool, keep: int) -> Conversation:
        """Start a command; the caller holds one of the slots, which goes with it."""
        return Conversation(self._transport, command, want_lines=want_lines, keep=keep, slot=self._slots)

    def wait_for_slot(self, seconds: float) -> bool:
        """Wait for one of the commands that run beside."""
        return self._slots.acquire(timeout=max(0.0, seconds))

    def __str__(self) -> str:
        return str(self._endpoint)

    def __enter__(self) -> SshSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Run:
    """The caller's side of one command: it keeps the time, and does no network I/O."""

    def __init__(
        self,
        session: SshSession,
        command: Command,
        on_line: Callable[[Line], None] | None,
        stop: threading.Event | None,
    ) -> None:
        self._session = session
        self._command = command
        self._on_line = on_line
        self._stop = stop
        self._started = time.monotonic()
        self._until = self._started + command.timeout if command.timeout is not None else None
        self._number = 0
        self._conversation: Conversation | None = None

    def result(self, keep: int) -> Result:
        self._check()
        while not self._session.wait_for_slot(self._patience()):
            self._check()
        self._conversation = self._session.conversation(
            self._command, want_lines=self._on_line is not None, keep=keep
        )
        try:
            while True:
                self._check()
                event = self._conversation.events.get(self._patience())
                if event is None:
                    continue
                if isinstance(event, Lines):
                    self._deliver(event)
                elif isinstance(event, Ended):
                    return self._ended(event)
                else:
                    raise self._failure(event)
        except BaseException as error:
            self._abandon(past_its_time=isinstance(error, Deadline))
            raise

    def _patience(self) -> float:
        most = 1.0 if self._stop is None else _POLL
        return most if self._until is None else min(most, self._until - time.monotonic())

    def _check(self) -> None:
        if self._stop is not None and self._stop.is_set():
            msg = (
                f"'{self._name}' on {self._session} was stopped on request. The node was asked to end it; what it "
                "did until then stays done."
            )
            raise Interrupted(msg)
        if self._until is not None and time.monotonic() >= self._until:
            msg = (
                f"'{self._name}' on {self._session} did not end within {self._command.timeout:.0f} s. The connection "
                "was closed. It may still be running there: look at the node before running it again."
            )
            raise Deadline(msg)

    def _deliver(self, lines: Lines) -> None:
        if self._on_line is None:
            return
        for text in lines.texts:
            self._number += 1
            self._on_line(Line(self._number, lines.stream, text))
            self._check()  # a slow on_line must not outlast a stop

    def _ended(self, event: Ended) -> Result:
        return Result(
            argv=self._command.argv,
            exit_status=event.exit_status,
            out=event.out,
            err=event.err,
            truncated=event.truncated,
            seconds=time.monotonic() - self._started,
            signal=event.signal,
        )

    def _failure(self, event: Refused | Lost | SourceFailed) -> Exception:
        if isinstance(event, SourceFailed):
            return event.error
        if isinstance(event, Refused):
            msg = (
                f"{self._session} did not start '{self._name}'. Its SSH server may allow too few sessions on one "
                "connection (MaxSessions), or no commands for this key. Nothing was run."
            )
            return RunRefused(msg)
        msg = (
            f"The connection to {self._session} was lost{self._session.why_lost()}. Whether '{self._name}' "
            "finished is not known: look at the node before running it again."
        )
        return ConnectionLost(msg)

    def _abandon(self, *, past_its_time: bool) -> None:
        """Leave a command that has not ended. A connection that does not take that in time is ended."""
        if self._conversation is None:
            return
        sent = self._conversation.cancel(_HANG_UP)
        if past_its_time or not sent:
            self._session.drop(f"'{self._name}' beside it did not end in time")

    @property
    def _name(self) -> str:
        shown = " ".join(self._command.argv)
        return shown if len(shown) <= 120 else f"{shown[:120]}…"
