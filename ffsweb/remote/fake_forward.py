"""The fake's reverse forward: socket pairs instead of a port on a node."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final, Protocol

from ffsweb.remote.errors import ForwardRefused

if TYPE_CHECKING:
    from types import TracebackType

    from ffsweb.remote.session import Handler

_ports: Final = itertools.count(40000)
log = logging.getLogger(__name__)


class _Owner(Protocol):
    """The session it belongs to."""

    forward: FakeForward | None

    def check(self) -> None: ...


class FakeForward:
    """See ``session.Session.reverse_forward``. The test plays the node's programs through :meth:`dial`."""

    def __init__(self, session: _Owner, handler: Handler, max_parallel: int) -> None:
        self.port = next(_ports)
        self._session = session
        self._handler = handler
        self._turn = threading.Semaphore(max_parallel)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = False

    def dial(self) -> socket.socket:
        """The node's end of a new connection; ``ConnectionRefusedError`` after the end."""
        node_end, our_end = socket.socketpair()
        with self._lock:
            if self._closing:
                node_end.close()
                our_end.close()
                raise ConnectionRefusedError
            self._open.append(our_end)
            thread = threading.Thread(target=self._serve, args=(our_end,), name="fake-forward", daemon=True)
            self._threads.append(thread)
        thread.start()
        return node_end

    def _serve(self, connection: socket.socket) -> None:
        with connection, self._turn:
            if self._closing:
                return
            try:
                self._handler(connection)
            except Exception:
                if not self._closing:
                    log.exception("the handler of a reverse forward failed; its connection was closed")

    def __enter__(self) -> FakeForward:
        self._session.check()
        if self._session.forward is not None:
            msg = "One reverse forward is open on this connection already. End it first, or make another connection."
            raise ForwardRefused(msg)
        self._session.forward = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closing = True
            left, threads = list(self._open), list(self._threads)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # ended already
        for thread in threads:
            thread.join(5.0)
        self._session.forward = None
