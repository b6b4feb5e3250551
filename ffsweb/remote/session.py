"""What the rest of the product knows of a connection. ``ssh`` has the real one, ``fake`` one for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ffsweb.remote.values import Command, Endpoint, Identity, Line, Result

KEEP = 1_000_000  # bytes of each stream that a Result holds, unless told otherwise


class ByteStream(Protocol):
    """A connection that came through a reverse forward. Errors are those of sockets (``OSError``)."""

    def recv(self, size: int, /) -> bytes:
        """At least one byte and at most ``size``; ``b""`` at the end. ``TimeoutError`` after the time-out."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it. ``TimeoutError`` when the other side takes nothing for the time-out."""

    def settimeout(self, seconds: float | None, /) -> None:
        """For each wait from now on; ``None`` (as at the start) waits for ever."""

    def close(self) -> None:
        """End both directions. Harmless when repeated; done anyway when the handler returns."""


Handler: TypeAlias = Callable[[ByteStream], None]


class Forward(Protocol):
    """A port on the node's 127.0.0.1 that leads to us."""

    @property
    def port(self) -> int:
        """The port on the node; its sshd chose it."""


class Session(Protocol):
    """One authenticated connection to a node, for many commands. Every method is safe from several threads."""

    @property
    def public_host_key(self) -> str:
        """The host key that the node proved, as an OpenSSH public key; one of the pins."""

    @property
    def alive(self) -> bool:
        """Whether it looks usable. A dead one never comes back: make another."""

    def run(
        self,
        command: Command,
        *,
        on_line: Callable[[Line], None] | None = None,
        stop: threading.Event | None = None,
        keep: int = KEEP,
    ) -> Result:
        """Run one command and wait for its end; a non-zero exit is a result, not an error.

        ``on_line`` is called in the calling thread, for each line as it arrives; while it works, the node is made to
        wait. What it raises, and what a ``stdin`` iterable raises, ends the command as ``stop`` does and goes on
        to the caller. At most 8 commands run at a time on one connection, more wait within their own time limit.

        Costs two round trips. Raises ``Deadline`` (the connection is closed: commands beside this one get
        ``ConnectionLost``), ``Interrupted`` within 0.5 s of ``stop`` (the connection stays usable),
        ``ConnectionLost``, ``RunRefused``.
        """

    def reverse_forward(self, handler: Handler, *, max_parallel: int = 8) -> AbstractContextManager[Forward]:
        """Listen on the node's 127.0.0.1 and hand every connection to ``handler``, each in its own thread.

        Connections beyond ``max_parallel`` wait for their turn. One forward at a time per session. Leaving the
        context stops listening, ends open connections and waits (at most 5 s) for the handlers. What a handler
        raises is logged and ends its connection alone. Raises ``ForwardRefused``, ``ConnectionLost``.
        """

    def round_trip(self) -> float:
        """Seconds to the node and back: the least seen of late, so without what waits in queues. No round trip made.

        From the kernel (TCP_INFO); behind a relay, which ends the TCP connection itself, the quickest of the node's
        own answers so far; where the kernel does not tell, what connecting took. Never raises, closed or not.
        """

    def close(self) -> None:
        """End the connection; what runs on it gets ``ConnectionLost``. Harmless when repeated."""

    def __enter__(self) -> Session: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Connect(Protocol):
    """The signature of :func:`ffsweb.remote.connect`, for whoever takes it as an argument."""

    def __call__(
        self,
        endpoint: Endpoint,
        identity: Identity,
        *,
        timeout: float = 15.0,
        keepalive: float = 15.0,
        stop: threading.Event | None = None,
    ) -> Session: ...
