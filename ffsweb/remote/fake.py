"""A node without a network: scripted answers and faults behind the same ``Session`` and ``connect``.

::

    node = FakeNode()
    node.on(("sudo", "-n", "/usr/local/bin/ffs-node", "facts"), Answer(out='{"event":"result","ok":true}\\n'))
    node.on(("uname",), lambda call: Answer(out=f"{len(call.stdin)} bytes came\\n"))
    node.fault(("sudo",), Hang())
    session = node.connect(endpoint, identity)
    assert node.calls[0].argv == …

Lines, limits, deadlines and the stop event follow the same contract, through the same code where there is any. What
is not scripted is an ``AssertionError``, so a test cannot pass by accident.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ffsweb.remote.errors import Interrupted, Reason, RemoteError, Unreachable
from ffsweb.remote.fake_session import Answer, Call, CutAfter, FakeSession, Fault, Hang, Script

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from ffsweb.remote.values import Endpoint, Identity

HOST_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

__all__ = ["HOST_KEY", "Answer", "Call", "CutAfter", "FakeNode", "FakeSession", "Hang"]


class FakeNode:
    """One node. Everything about it may be changed at any time, from any thread."""

    def __init__(self, *, host_key: str = HOST_KEY) -> None:
        self.host_key = host_key
        self.round_trip = 0.001  # seconds, as the sessions tell it
        self.calls: list[Call] = []
        self.sessions: list[FakeSession] = []
        self.connects = 0
        self.unreachable: RemoteError | None = None
        self._scripts: list[tuple[tuple[str, ...], Script]] = []
        self._faults: list[tuple[tuple[str, ...], Fault]] = []
        self._lock = threading.Lock()

    def on(self, argv_prefix: Sequence[str], answer: Script) -> None:
        """Answer commands that begin so. The longest prefix wins, among equal ones the last given."""
        with self._lock:
            self._scripts.append((tuple(argv_prefix), answer))

    def fault(self, argv_prefix: Sequence[str], fault: Fault) -> None:
        """The *next* command that begins so meets this, once; a ``RemoteError`` is raised instead of running."""
        with self._lock:
            self._faults.append((tuple(argv_prefix), fault))

    def refuse(self, error: RemoteError | None = None) -> None:
        """Refuse connections from now on (by default: nothing listens); sessions that are open stay."""
        msg = "Nothing listens on the fake node. Is the machine up, its SSH server running, and the port right?"
        self.unreachable = error or Unreachable(msg, reason=Reason.REFUSED)

    def accept(self) -> None:
        """Take connections again."""
        self.unreachable = None

    def cut(self) -> None:
        """Every open connection ends now."""
        for session in list(self.sessions):
            session.lose("the fake node cut it")

    def connect(
        self,
        endpoint: Endpoint,
        identity: Identity,
        *,
        timeout: float = 15.0,
        keepalive: float = 15.0,
        stop: threading.Event | None = None,
    ) -> FakeSession:
        """Stands in for ``ffsweb.remote.connect``."""
        self.connects += 1
        if self.unreachable is not None:
            raise self.unreachable
        if stop is not None and stop.is_set():
            msg = f"Connecting to {endpoint} was stopped on request."
            raise Interrupted(msg)
        return self.session()

    def session(self) -> FakeSession:
        """A session, without the ado of an endpoint."""
        session = FakeSession(self)
        self.sessions.append(session)
        return session

    def dial(self, port: int) -> socket.socket:
        """Connect to a reverse forward, as a program on the node would; ``ConnectionRefusedError``."""
        for session in list(self.sessions):
            forward = session.forward
            if forward is not None and forward.port == port:
                return forward.dial()
        raise ConnectionRefusedError

    def take_call(self, call: Call) -> tuple[Script | None, Fault | None]:
        """Note a command; what it is to do, and what is to go wrong with it."""
        with self._lock:
            self.calls.append(call)
            fault = next((entry for entry in self._faults if _begins(call.argv, entry[0])), None)
            if fault is not None:
                self._faults.remove(fault)
            fitting = [entry for entry in self._scripts if _begins(call.argv, entry[0])]
            best = max(enumerate(fitting), key=lambda item: (len(item[1][0]), item[0]), default=None)
            return (best[1][1] if best else None), (fault[1] if fault else None)


def _begins(argv: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
    return argv[: len(prefix)] == prefix
