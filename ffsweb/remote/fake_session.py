"""The fake's sessions: a scripted command under the rules of a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from ffsweb.remote.errors import ConnectionLost, Deadline, Interrupted, RemoteError
from ffsweb.remote.fake_forward import FakeForward
from ffsweb.remote.lines import LineSplitter, Tail
from ffsweb.remote.session import KEEP
from ffsweb.remote.stdin import chunks
from ffsweb.remote.values import Command, Line, Result

if TYPE_CHECKING:
    from types import TracebackType

    from ffsweb.remote.session import Handler


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command does: its output (all of ``out``, then all of ``err``), its end, and how long it takes."""

    out: str | bytes = ""
    err: str | bytes = ""
    exit_status: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A command that arrived, with all of its stdin."""

    argv: tuple[str, ...]
    stdin: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hang:
    """The command never ends."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """The connection ends after so many bytes of the command's stdout; the command is scripted as usual."""

    size: int


Script: TypeAlias = Answer | Callable[[Call], Answer]
Fault: TypeAlias = Hang | CutAfter | RemoteError


class Node(Protocol):
    """What a session needs of its node."""

    @property
    def host_key(self) -> str: ...

    @property
    def round_trip(self) -> float: ...

    def take_call(self, call: Call) -> tuple[Script | None, Fault | None]: ...


class FakeSession:
    """A session of a ``FakeNode``."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lost = threading.Event()
        self._why = ""
        self.forward: FakeForward | None = None

    @property
    def public_host_key(self) -> str:
        return self._node.host_key

    @property
    def alive(self) -> bool:
        return not self._lost.is_set()

    def run(
        self,
        command: Command,
        *,
        on_line: Callable[[Line], None] | None = None,
        stop: threading.Event | None = None,
        keep: int = KEEP,
    ) -> Result:
        return _FakeRun(self, command, on_line, stop, keep).result(self._node)

    def reverse_forward(self, handler: Handler, *, max_parallel: int = 8) -> FakeForward:
        return FakeForward(self, handler, max_parallel)

    def round_trip(self) -> float:
        return self._node.round_trip

    def close(self) -> None:
        self.lose("it was closed here")

    def lose(self, why: str) -> None:
        """End the connection, for whatever runs on it too."""
        self._why = self._why or why
        self._lost.set()

    def check(self) -> None:
        """``ConnectionLost`` once it is."""
        if self._lost.is_set():
            msg = f"The connection to the fake node was lost: {self._why}. Look at the node before going on."
            raise ConnectionLost(msg)

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _FakeRun:
    def __init__(
        self,
        session: FakeSession,
        command: Command,
        on_line: Callable[[Line], None] | None,
        stop: threading.Event | None,
        keep: int,
    ) -> None:
        self._session = session
        self._command = command
        self._on_line = on_line
        self._stop = stop
        self._keep = keep
        self._started = time.monotonic()
        self._number = 0
        self._truncated = False

    def result(self, node: Node) -> Result:
        self._check()
        call = Call(self._command.argv, b"".join(chunks(self._command.stdin)))
        script, fault = node.take_call(call)
        if isinstance(fault, RemoteError):
            raise fault
        if isinstance(fault, Hang):
            self._pause(float("inf"))
        if script is None:
            msg = f"nothing is scripted for {self._command.argv}"
            raise AssertionError(msg)
        answer = script if isinstance(script, Answer) else script(call)
        self._pause(answer.seconds)
        sent = _bytes(answer.out)
        if isinstance(fault, CutAfter):
            self._tell("out", sent[: fault.size], whole=False)
            self._session.lose(f"the fake node cut it after {fault.size} bytes")
        self._check()
        out = self._tell("out", sent)
        err = self._tell("err", _bytes(answer.err))
        seconds = time.monotonic() - self._started
        return Result(self._command.argv, answer.exit_status, out, err, self._truncated, seconds)

    def _tell(self, stream: Literal["out", "err"], data: bytes, *, whole: bool = True) -> str:
        splitter, tail = LineSplitter(), Tail(self._keep)
        tail.feed(data)
        lines = splitter.feed(data) + (splitter.end() if whole else [])
        for text in lines:
            self._number += 1
            if self._on_line is not None:
                self._on_line(Line(self._number, stream, text))
                self._check()
        text = tail.text()
        self._truncated = self._truncated or tail.truncated
        return text

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check()
            time.sleep(0.01)

    def _check(self) -> None:
        self._session.check()
        name = " ".join(self._command.argv)
        if self._stop is not None and self._stop.is_set():
            msg = f"'{name}' on the fake node was stopped on request."
            raise Interrupted(msg)
        limit = self._command.timeout
        if limit is not None and time.monotonic() - self._started >= limit:
            self._session.lose(f"'{name}' beside it did not end in time")
            msg = f"'{name}' on the fake node did not end within {limit:.0f} s. The connection was closed."
            raise Deadline(msg)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
