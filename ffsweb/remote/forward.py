"""A reverse forward: connections that the node makes to one of its own ports, handed to threads of ours."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import paramiko

from ffsweb.remote.conversation import BROKEN, send_all
from ffsweb.remote.errors import ConnectionLost, ForwardRefused

if TYPE_CHECKING:
    from types import TracebackType

    from ffsweb.remote.session import Handler
    from ffsweb.remote.transport import StrictTransport

_LOOPBACK: Final = "127.0.0.1"
_ANSWER: Final = 15.0  # seconds for the node to answer a request
_JOIN: Final = 5.0
_MAX_WAITING: Final = 256  # connections; more are closed
log = logging.getLogger(__name__)


class ForwardedConnection:
    """A channel that behaves as a socket: errors are ``OSError``, ``sendall`` sends all."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def recv(self, size: int, /) -> bytes:
        try:
            return self._channel.recv(size)
        except (EOFError, paramiko.SSHException) as error:
            raise ConnectionResetError(str(error)) from error

    def sendall(self, data: bytes, /) -> None:
        try:
            whole = send_all(self._channel, data)
        except (EOFError, paramiko.SSHException) as error:
            raise ConnectionResetError(str(error)) from error
        if not whole:
            raise BrokenPipeError

    def settimeout(self, seconds: float | None, /) -> None:
        self._channel.settimeout(seconds)

    def close(self) -> None:
        try:
            self._channel.close()
        except BROKEN:
            pass


class ReverseForward:
    """The forward itself, as a context manager. paramiko knows one handler per connection, so one at a time."""

    def __init__(self, transport: StrictTransport, handler: Handler, max_parallel: int) -> None:
        if max_parallel < 1:
            msg = "at least one connection has to be handled at a time"
            raise ValueError(msg)
        self.port = 0
        self._transport = transport
        self._handler = handler
        self._free = max_parallel
        self._lock = threading.Lock()
        self._closing = False
        self._waiting: deque[paramiko.Channel] = deque()
        self._open: set[ForwardedConnection] = set()
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> ReverseForward:
        if not self._transport.take_forwards(self._arrived):
            msg = "One reverse forward is open on this connection already. End it first, or make another connection."
            raise ForwardRefused(msg)
        try:
            answer = self._transport.ask("tcpip-forward", _LOOPBACK, 0, seconds=_ANSWER)
            self.port = answer.get_int() if answer is not None else 0
        except BROKEN as error:
            self._transport.drop_forwards()
            msg = "The connection ended before the node answered the request for a reverse forward. Try again."
            raise ConnectionLost(msg) from error
        if not 1 <= self.port <= 65535:
            self._transport.drop_forwards()
            msg = (
                "The node's SSH server does not allow reverse forwards for this key. Allow it: 'port-forwarding' "
                "among the options of the key, and 'AllowTcpForwarding yes' in sshd's settings."
            )
            raise ForwardRefused(msg)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closing = True
        try:
            self._transport.ask("cancel-tcpip-forward", _LOOPBACK, self.port, seconds=_JOIN)
        except BROKEN:
            pass  # it is gone with the connection
        self._transport.drop_forwards()
        with self._lock:
            left = [ForwardedConnection(channel) for channel in self._waiting] + list(self._open)
            self._waiting.clear()
            threads = list(self._threads)
        for connection in left:
            connection.close()
        until = time.monotonic() + _JOIN
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _arrived(self, channel: paramiko.Channel, origin: tuple[str, int], server: tuple[str, int]) -> None:
        """In the connection's reader thread: to read here would wait for itself, so hand over and return."""
        with self._lock:
            ours = self.port in (0, server[1])  # not one that was on its way to the forward before this one
            accepted = ours and not self._closing and len(self._waiting) < _MAX_WAITING
            if accepted:
                self._waiting.append(channel)
            start = accepted and self._free > 0
            if start:
                self._free -= 1
        if not accepted:
            channel.close()
        if start:
            thread = threading.Thread(target=self._serve, name="ssh-forward", daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    self._threads.discard(threading.current_thread())
                    return
                connection = ForwardedConnection(self._waiting.popleft())
                self._open.add(connection)
            try:
                self._handler(connection)
            except Exception:
                if not self._closing:
                    log.exception("the handler of a reverse forward failed; its connection was closed")
            finally:
                connection.close()
                with self._lock:
                    self._open.discard(connection)
