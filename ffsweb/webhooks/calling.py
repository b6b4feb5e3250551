"""One POST to an address that somebody entered. No Django, no database.

A name is resolved once, every address that it has is judged, and the connection is made to one of those that were: a
name that means another machine a moment later leads nowhere. Nothing is redirected, no proxy is asked, and all of it
ends after ``SECONDS``, whatever the other side does.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .addresses import Destination, is_allowed, refusal

SECONDS = 15.0
"""From the first packet to the last byte of the answer."""
CONNECT = 5.0
"""Seconds for one of a name's addresses to answer."""
MOST = 64 * 1024
"""Bytes of an answer that are read, and thrown away; more of it is not waited for."""

Resolve = Callable[[str, int], Sequence[str]]


class NotSent(Exception):
    """Nobody answered, or nothing was sent at all; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; what was in it is nobody's business."""

    status: int

    @property
    def good(self) -> bool:
        """It was taken."""
        return 200 <= self.status < 300


def resolve(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a host, in the order of preference. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def post(
    destination: Destination,
    body: bytes,
    headers: dict[str, str],
    *,
    allowed: Sequence[str] = (),
    seconds: float = SECONDS,
    lookup: Resolve = resolve,
) -> Answer:
    """Send ``body`` once and say what came back. Raises NotSent.

    ``allowed`` are networks that may be private, and that plain HTTP may go to.
    Certificates are vouched for by this machine's authorities, or by those in SSL_CERT_FILE.
    """
    addresses = _judged(destination, allowed, lookup)
    deadline = time.monotonic() + seconds
    line = _connected(destination, addresses, deadline)
    ended = threading.Event()

    def cut() -> None:
        ended.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)  # under TLS, which is not to go on in the clear

    # A timeout of the socket begins anew with each byte: who sends one now and then would never be done.
    clock = threading.Timer(max(deadline - time.monotonic(), 0.01), cut)
    clock.daemon = True
    clock.start()
    try:
        return _exchange(line, destination, body, headers, ended)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if ended.is_set():
            raise NotSent(f"{destination.shown} did not answer within {seconds:.0f} seconds.") from error
        raise NotSent(f"{destination.shown}: {_words(error)}") from error
    finally:
        clock.cancel()
        clock.join()
        line.close()


def _judged(destination: Destination, allowed: Sequence[str], lookup: Resolve) -> Sequence[str]:
    try:
        addresses = lookup(destination.host, destination.port)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{destination.host} has no address: {_words(error)}") from error
    why = next((text for address in addresses if (text := refusal(address, allowed))), "")
    if why or not addresses:
        raise NotSent(f"Nothing was sent to {destination.host}: {why or 'it has no address.'}")
    if not destination.tls and not all(is_allowed(address, allowed) for address in addresses):
        raise NotSent(
            f"Nothing was sent to {destination.host}: http is for networks in FFSWEB_WEBHOOK_PRIVATE. Use https."
        )
    return addresses


def _connected(destination: Destination, addresses: Sequence[str], deadline: float) -> socket.socket:
    why: object = ""
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            line = socket.create_connection((address, destination.port), timeout=min(CONNECT, left))
        except OSError as error:
            why = error
            continue
        if not destination.tls:
            return line
        try:
            line.settimeout(max(min(CONNECT, deadline - time.monotonic()), 0.1))
            return ssl.create_default_context().wrap_socket(line, server_hostname=destination.host)
        except (OSError, ValueError) as error:
            line.close()
            why = error
    raise NotSent(f"{destination.shown} could not be reached: {_words(why) or 'it took too long.'}")


def _exchange(
    line: socket.socket, destination: Destination, body: bytes, headers: dict[str, str], ended: threading.Event
) -> Answer:
    connection = http.client.HTTPConnection(destination.netloc)
    connection.sock = line
    line.settimeout(SECONDS)
    connection.putrequest("POST", destination.path, skip_host=True, skip_accept_encoding=True)
    sent = {
        "Host": destination.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "ffsweb-webhooks/1",
        "Connection": "close",
        **headers,
    }
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    if ended.is_set():  # the head of the answer ended because it was cut
        raise TimeoutError
    try:
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer.read(MOST)  # politeness: who is cut off while sending takes it for a failure
        return Answer(answer.status)
    finally:
        answer.close()


def _words(error: object) -> str:
    text = " ".join(str(error).split())[:300] or type(error).__name__ if error else ""
    return text if not text or text.endswith(".") else f"{text}."
