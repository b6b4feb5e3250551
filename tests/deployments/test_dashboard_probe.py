"""A health check that the dashboard asks by itself: what counts as good, and what a hostile peer can do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.core.health_values import DASHBOARD, HealthCheck, Probe, Probed
from deployments.execution import dashboard_probe
from ffsweb.remote import Interrupted
from tests.certificates.material import server

HANGS = 60.0
Answer = Callable[[socket.socket], None]
Serve = Callable[[Answer], int]


@pytest.fixture
def over() -> threading.Event:
    """Set when the test is over, so that peers that hang let go."""
    return threading.Event()


@pytest.fixture
def serve(over: threading.Event) -> Iterator[Serve]:
    """A server on loopback that does this with each connection: its port."""
    with contextlib.ExitStack() as stack:

        def begin(answer: Answer) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            answer(connection)

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            stack.callback(over.set)
            return int(listener.getsockname()[1])

        yield begin


def says(text: bytes) -> Answer:
    """Take a request, then say this."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return answer


def ask(port: int, kind: str = "http", path: str = "/", seconds: float = 5.0, address: str = "127.0.0.1") -> Probed:
    probe = Probe(DASHBOARD, HealthCheck(kind, port, "" if kind == "tcp" else path), address)
    return dashboard_probe.ask(probe, stop=threading.Event(), seconds=seconds)


@pytest.mark.parametrize(
    ("status", "good"),
    [("200 OK", True), ("204", True), ("302 Found", True), ("399 x", True), ("400 x", False), ("503 Busy", False)],
)
def test_a_status_from_200_to_399_is_good(serve: Serve, status: str, good: bool) -> None:
    port = serve(says(f"HTTP/1.1 {status}\r\nLocation: http://192.0.2.1/\r\n\r\n".encode()))
    assert ask(port) == Probed(DASHBOARD, f"http://127.0.0.1:{port}/", good, f"answered {status[:3]}")


def test_what_is_asked_is_one_plain_request(serve: Serve) -> None:
    got: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        got.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.0 200 OK\r\n")

    port = serve(answer)
    assert ask(port, path="/healthz?a=b").good
    request, *headers = got[0].decode().split("\r\n")
    assert request == "GET /healthz?a=b HTTP/1.1"
    assert {f"Host: 127.0.0.1:{port}", "Connection: close"} <= set(headers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"220 smtp.example.org ESMTP\r\n", "answered something that is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n", "answered something that is not HTTP"),
        (b"\x00\xff\x1b]0;evil\x07\n", "answered something that is not HTTP"),
        (b"x" * 5_000_000, "answered something that is not HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n", "answered 101"),
    ],
)
def test_any_other_answer_is_bad_and_not_repeated(serve: Serve, text: bytes, said: str) -> None:
    seen = ask(serve(says(text)))
    assert (seen.good, seen.said) == (False, said)


def test_the_certificate_may_be_anyones_but_the_connection_is_tls(serve: Serve, tmp_path: Path) -> None:
    made = server()
    (tmp_path / "pem").write_bytes(made.pem + made.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wire:
            wire.recv(65536)
            wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    assert ask(serve(answer), "https").said == "answered 200"
    assert ask(serve(says(b"HTTP/1.1 200 OK\r\n\r\n")), "https").said == "did not speak TLS"


def test_tcp_is_good_when_the_connection_is_taken(serve: Serve) -> None:
    assert ask(serve(lambda _connection: None), "tcp").said == "took the connection"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for kind in ("tcp", "http", "https"):
        assert (ask(port, kind).good, ask(port, kind).said) == (False, "took no connection")


def test_a_name_that_is_none_is_said_to_be_none() -> None:
    seen = ask(80, address="no-such-name.invalid")
    assert (seen.good, seen.said) == (False, "has a name that was not found")


@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_peer_that_hangs_is_left_at_the_time_limit(serve: Serve, over: threading.Event, kind: str) -> None:
    port = serve(lambda _connection: over.wait(HANGS) and None)
    begun = time.monotonic()
    assert ask(port, kind, seconds=0.3).said == "gave no answer within 0.3 s"
    assert time.monotonic() - begun < 2


def test_an_answer_that_drips_has_no_more_time(serve: Serve, over: threading.Event) -> None:
    def drip(connection: socket.socket) -> None:
        while not over.wait(0.05):
            connection.sendall(b"x")

    begun = time.monotonic()
    assert not ask(serve(drip), seconds=0.3).good
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_stop_gets_through_at_once(serve: Serve, over: threading.Event, kind: str) -> None:
    stop = threading.Event()

    def hang(_connection: socket.socket) -> None:
        stop.set()
        over.wait(HANGS)

    probe = Probe(DASHBOARD, HealthCheck(kind, serve(hang), "/"), "127.0.0.1")
    begun = time.monotonic()
    with pytest.raises(Interrupted, match="was stopped on request"):
        dashboard_probe.ask(probe, stop=stop, seconds=HANGS)
    assert time.monotonic() - begun < 2
    over.set()
