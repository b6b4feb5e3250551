"""A health check, asked by the dashboard itself: no SSH, straight to the port that the node publishes.

What answers is anyone. No more than the beginning of it is read, within one time limit, and nothing of it is repeated
but a status number.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from deployments.core.health_values import HTTPS, TCP, Probed
from ffsweb.remote import Interrupted

if TYPE_CHECKING:
    from deployments.core.health_values import Probe

SECONDS = 5.0
"""For all of it: the name, the connection, TLS and the answer."""
POLL = 0.1
HEAD_BYTES = 4096


def ask(probe: Probe, *, stop: threading.Event, seconds: float = SECONDS) -> Probed:
    """Ask once; takes at most ``seconds``. Raises Interrupted within 0.2 s of ``stop``."""
    return Question(probe, seconds).answer(stop)


class Question:
    """Asks in a thread of its own, so that a resolver or a peer that hangs cannot hold the caller."""

    def __init__(self, probe: Probe, seconds: float) -> None:
        self._probe = probe
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._done = threading.Event()
        self._wire: socket.socket | None = None
        self._good, self._said = False, ""

    def answer(self, stop: threading.Event) -> Probed:
        threading.Thread(target=self._work, name="health-check", daemon=True).start()
        while not self._done.wait(POLL):
            if stop.is_set():
                self._give_up()
                raise Interrupted(f"The health check of {self._probe.what} was stopped on request.")
            if time.monotonic() > self._until:
                self._give_up()
                return Probed(self._probe.side, self._probe.what, good=False, said=self._late)
        return Probed(self._probe.side, self._probe.what, self._good, self._said)

    @property
    def _late(self) -> str:
        return f"gave no answer within {self._seconds:g} s"

    def _give_up(self) -> None:
        if self._wire is not None:
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes it

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _work(self) -> None:
        try:
            self._good, self._said = self._asked()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no good answer; the caller waits for one
            self._said = self._refusal(error)
        finally:
            self._done.set()

    def _asked(self) -> tuple[bool, str]:
        check = self._probe.check
        with socket.create_connection((self._probe.address, check.port), timeout=self._left()) as plain:
            self._wire = plain
            if check.kind == TCP:
                return True, "took the connection"
            if check.kind != HTTPS:
                return self._http(plain)
            plain.settimeout(self._left())
            with tls().wrap_socket(plain, server_hostname=self._probe.address) as wire:
                self._wire = wire
                return self._http(wire)

    def _http(self, wire: socket.socket) -> tuple[bool, str]:
        wire.settimeout(self._left())
        wire.sendall(_request(self._probe))
        head = b""
        while b"\n" not in head and len(head) < HEAD_BYTES:
            wire.settimeout(self._left())
            received = wire.recv(HEAD_BYTES - len(head))
            if not received:
                break
            head += received
        return _judged(head)

    def _refusal(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                return self._late
            case ConnectionRefusedError():
                return "took no connection"
            case ssl.SSLError():
                return "did not speak TLS"
            case socket.gaierror():
                return "has a name that was not found"
            case ConnectionError():
                return "closed the connection without an answer"
            case OSError():
                return f"could not be reached ({error.strerror or type(error).__name__})"
            case _:
                return f"could not be asked ({type(error).__name__})"


def tls() -> ssl.SSLContext:
    """TLS to whoever answers: a node is asked by its address, which no certificate names.

    Authorities are not loaded: nothing is verified, and to read them all takes longer than the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(probe: Probe) -> bytes:
    address = probe.address.partition("%")[0]
    host = f"[{address}]" if ":" in address else address
    lines = (
        f"GET {probe.check.path} HTTP/1.1",
        f"Host: {host}:{probe.check.port}",
        "User-Agent: ffs-probe",
        "Accept: */*",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _judged(head: bytes) -> tuple[bool, str]:
    if not head:
        return False, "closed the connection without an answer"
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})(?![0-9])", head)
    if found is None:
        return False, "answered something that is not HTTP"
    status = int(found[1])
    return 200 <= status <= 399, f"answered {status}"
