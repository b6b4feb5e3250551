"""The TCP connection below SSH."""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

from ffsweb.remote.errors import Reason, Unreachable

_READ: Final = 128 * 1024
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)
_INFO: Final = getattr(socket, "TCP_INFO", None)
_MIN_RTT: Final = (
    148  # offset of tcpi_min_rtt in Linux's struct tcp_info (include/uapi/linux/tcp.h): microseconds, u32
)
_NEVER: Final = 0xFFFFFFFF
_NOTICED: Final = 0.01  # seconds that a busy node or a busy dashboard may need for an answer that needs no work


class Wire:
    """A connected socket as paramiko wants one, with large reads and without delayed acknowledgements.

    sshd sends its first messages in small writes under Nagle's algorithm, so each delayed acknowledgement of ours
    costs 40 ms; the kernel forgets ``TCP_QUICKACK``, so it is set again after each read.
    """

    def __init__(self, sock: socket.socket, dialled: float = 0.0) -> None:
        self._sock = sock
        self._dialled = dialled  # seconds that connect() took
        self._pending = memoryview(b"")
        self._closed = False  # paramiko looks at this name

    def recv(self, size: int) -> bytes:
        """As a socket's, from what was read ahead first. Only one thread may be in here."""
        if not self._pending:
            data = self._sock.recv(_READ)
            if _QUICKACK is not None and data:
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            if len(data) <= size:
                return data
            self._pending = memoryview(data)
        piece = bytes(self._pending[:size])
        self._pending = self._pending[size:]
        return piece

    def send(self, data: bytes) -> int:
        """As a socket's."""
        return self._sock.send(data)

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._sock.settimeout(seconds)

    def getpeername(self) -> object:
        """As a socket's."""
        return self._sock.getpeername()

    def round_trip(self) -> float:
        """Seconds to whoever ends this TCP connection and back: the least of late, as the kernel saw it.

        Where the kernel does not tell (it is not Linux, or the socket is closed) what connecting took, which is one
        round trip too. Costs one system call.
        """
        try:
            told = b"" if _INFO is None else self._sock.getsockopt(socket.IPPROTO_TCP, _INFO, _MIN_RTT + 4)
        except OSError:
            told = b""
        least: int = struct.unpack_from("=I", told, _MIN_RTT)[0] if len(told) == _MIN_RTT + 4 else _NEVER
        return least / 1e6 if 0 < least < _NEVER else self._dialled

    def close(self) -> None:
        """End it at once, also for threads that wait in ``recv`` or ``send`` (``close`` alone would leave them)."""
        self._closed = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected any more
        self._sock.close()


def way_and_back(tcp: float, answer: float | None) -> float:
    """The seconds of a round trip to the node: what TCP says, unless there is a relay in between.

    TCP knows the way to whoever ends the TCP connection. A node that never answered (``answer``: its quickest) in
    anything near that is behind somebody who passes on what comes.
    """
    relayed = answer is not None and answer > 2 * tcp + _NOTICED
    return answer if relayed and answer is not None else tcp


def dial(host: str, port: int, *, seconds: float, dead_after: float) -> Wire:
    """Connect to the first address of ``host`` that answers; every address gets its share of the time left.

    ``dead_after`` seconds without an acknowledgement of what we sent end the connection (0: the system's default).
    Raises :class:`Unreachable`.
    """
    until = time.monotonic() + seconds
    addresses = _resolve(host, port)
    failure: OSError | None = None
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.1, (until - time.monotonic()) / left))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            began = time.monotonic()
            sock.connect(address)
            took = time.monotonic() - began
            if _USER_TIMEOUT is not None and dead_after > 0:
                sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(dead_after * 1000))
        except OSError as error:
            sock.close()
            failure = error
            continue
        return Wire(sock, took)
    raise _refusal(host, port, seconds, failure) from failure


def _resolve(
    host: str, port: int
) -> list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        lasting = isinstance(error, UnicodeError) or error.errno == socket.EAI_NONAME
        msg = (
            f"The host name {host!r} has no address. Check the node's address for a typing mistake."
            if lasting
            else f"The host name {host!r} could not be looked up ({error}). Check this server's DNS, then try again."
        )
        raise Unreachable(msg, reason=Reason.NAME, permanent=lasting) from error
    return list(found)


def _refusal(host: str, port: int, seconds: float, failure: OSError | None) -> Unreachable:
    where = f"{host} port {port}"
    if isinstance(failure, ConnectionRefusedError):
        msg = f"Nothing listens on {where}. Is the machine up, its SSH server running, and the port right?"
        return Unreachable(msg, reason=Reason.REFUSED)
    if isinstance(failure, TimeoutError):
        msg = (
            f"{where} did not answer within {seconds:.0f} s. Is the machine up, and does a firewall between it and "
            "this server let the port through?"
        )
        return Unreachable(msg, reason=Reason.TIMEOUT)
    why = failure.strerror if failure else "no address"
    return Unreachable(f"{where} cannot be reached from this server: {why}.", reason=Reason.NETWORK)
