"""The verb ``served``: the certificate that a published port shows, and what it says of hostile peers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from deployments.core import node_commands
from deployments.core.node_events import Answer, last_answer
from tests.certificates.material import Issued, issue, server
from tests.deployments.serving import serving

from .test_probe import free_port, publish, serve

if TYPE_CHECKING:
    from tests.nodekit.conftest import Program
    from tests.nodekit.test_probe import Serve

__all__ = ["serve"]


def fingerprint(issued: Issued) -> str:
    return hashlib.sha256(issued.certificate.public_bytes(Encoding.DER)).hexdigest()


def ask(program: Program, *ports: int, name: str = "") -> Answer:
    """As the dashboard asks, of a service that publishes these ports."""
    publish(program, *(f"{port}:8443/tcp" for port in ports))
    said = program.command(node_commands.served("www", ports, name))
    return last_answer(json.dumps(said.result)).check()


def test_the_first_port_that_speaks_tls_tells_its_certificate_and_its_end(program: Program) -> None:
    nothing = free_port()
    with serving(server) as port:
        answer = ask(program, nothing, port, name="www.example.org")
    assert (answer.number("port"), answer.string("fingerprint")) == (port, fingerprint(server()))
    assert answer.number("not_after") == int(server().certificate.not_valid_after_utc.timestamp())
    assert program.leftovers() == []


def test_an_expired_certificate_is_told_like_any_other(program: Program) -> None:
    old = issue("old", days=1, started=9)
    with serving(lambda: old) as port:
        assert ask(program, port).string("fingerprint") == fingerprint(old)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\x1b]0;evil\x07" * 50_000])
def test_what_speaks_no_tls_is_not_repeated(program: Program, serve: Serve, said: bytes) -> None:
    port, nothing = serve(said), free_port()
    answer = ask(program, port, nothing)
    assert (answer.number("port"), answer.string("fingerprint", "")) == (0, "")
    told = answer.string("said")
    assert told == f"port {port} did not speak TLS; port {nothing} took no connection"


def shown_without_its_key(issued: Issued) -> bytes:
    """How a TLS 1.2 handshake begins with a certificate: anybody who has seen one can say this much."""

    def message(kind: int, body: bytes) -> bytes:
        whole = bytes([kind]) + len(body).to_bytes(3, "big") + body
        return b"\x16\x03\x03" + len(whole).to_bytes(2, "big") + whole

    der = issued.certificate.public_bytes(Encoding.DER)
    entry = len(der).to_bytes(3, "big") + der
    # ECDHE-ECDSA-AES128-GCM-SHA256, and renegotiation_info, without which openssl goes no further.
    hello = b"\x03\x03" + b"r" * 32 + b"\x00" + b"\xc0\x2b" + b"\x00" + b"\x00\x05\xff\x01\x00\x01\x00"
    return message(2, hello) + message(11, len(entry).to_bytes(3, "big") + entry)


def test_a_certificate_that_is_shown_without_its_key_proves_nothing(program: Program, serve: Serve) -> None:
    port = serve(shown_without_its_key(server()))
    answer = ask(program, port)
    assert (answer.number("port"), answer.string("fingerprint", "")) == (0, "")
    assert answer.string("said") == f"port {port} showed a certificate, but the handshake did not end well"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_service_that_has_its_key_is_seen_by_every_version(program: Program, version: ssl.TLSVersion) -> None:
    with serving(server, version=version) as port:
        assert ask(program, port).string("fingerprint") == fingerprint(server())


def test_a_service_that_asks_for_a_clients_certificate_is_seen_all_the_same(program: Program) -> None:
    with serving(server, clients=True) as port:
        assert ask(program, port).string("fingerprint") == fingerprint(server())


def test_a_peer_that_says_nothing_costs_its_limit_and_no_more(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port, began = int(silent.getsockname()[1]), time.monotonic()
        assert ask(program, port).string("said") == f"port {port} gave no answer within 5 s"
    assert time.monotonic() - began < 8


def test_a_port_that_the_service_does_not_publish_is_not_asked(program: Program) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        port = int(listener.getsockname()[1])
        publish(program, "443:8443/tcp", f"{port}:53/udp", f"1{port}"[:5] + ":80/tcp")
        said = program.command(node_commands.served("www", [port]))
        assert said.result["said"] == f"port {port} is not published by its unit"
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert program.command(node_commands.served("other", [443])).code == "not-found"
