"""Reverse forwards on a real SSH server: the node's side is played by sockets on this machine."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time

import pytest

from ffsweb.remote import Command, ConnectionLost, ForwardRefused, connect

pytestmark = pytest.mark.sshd


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def read_all(sock) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def test_a_connection_on_the_node_reaches_the_handler_and_both_ways_work(session):
    def answer(connection):
        connection.sendall(b"you said " + connection.recv(100))

    with session.reverse_forward(answer) as forward:
        assert 1024 <= forward.port <= 65535
        with dial(forward.port) as sock:
            sock.sendall(b"hello")
            assert read_all(sock) == b"you said hello"
        assert session.run(Command(("true",))).ok


def test_20_mb_go_both_ways_at_once(session):
    data = os.urandom(20_000_000)
    received = []

    def both(connection):
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        digest, left = hashlib.sha256(), len(data)
        while left:
            piece = connection.recv(131072)
            digest.update(piece)
            left -= len(piece)
        received.append(digest.digest())
        sender.join()

    with session.reverse_forward(both) as forward, dial(forward.port) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert hashlib.sha256(read_all(sock)).digest() == hashlib.sha256(data).digest()
        sender.join()
    assert received == [hashlib.sha256(data).digest()]


def test_12_connections_at_once_are_served_8_at_a_time(session):
    lock, now, most = threading.Lock(), 0, 0

    def count(connection):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        data = connection.recv(100)
        time.sleep(0.3)
        connection.sendall(data * 1000)
        with lock:
            now -= 1

    answers = {}

    def ask(port, n):
        with dial(port) as sock:
            sock.sendall(b"%02d" % n)
            answers[n] = read_all(sock)

    with session.reverse_forward(count, max_parallel=8) as forward:
        threads = [threading.Thread(target=ask, args=(forward.port, n)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert answers == {n: b"%02d" % n * 1000 for n in range(12)}
    assert most == 8


def test_many_short_connections_in_a_row_are_all_served(session):
    with session.reverse_forward(echo, max_parallel=2) as forward:
        for n in range(100):
            with dial(forward.port) as sock:
                sock.sendall(b"%d" % n)
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock) == b"%d" % n


def test_a_handler_that_hangs_does_not_hold_the_others_or_the_commands(session):
    release = threading.Event()

    def handle(connection):
        if connection.recv(1) == b"h":
            release.wait(20)
        connection.sendall(b"done")

    with session.reverse_forward(handle) as forward, dial(forward.port) as hung, dial(forward.port) as other:
        hung.sendall(b"h")
        time.sleep(0.2)
        other.sendall(b"x")
        assert read_all(other) == b"done"
        assert session.run(Command(("echo", "fine"))).out == "fine\n"
        release.set()


def test_a_handler_that_fails_ends_its_connection_alone_and_is_logged(session, caplog):
    def handle(connection):
        if connection.recv(1) == b"f":
            raise LookupError("no such blob")
        connection.sendall(b"ok")

    with caplog.at_level(logging.ERROR), session.reverse_forward(handle) as forward:
        with dial(forward.port) as sock:
            sock.sendall(b"f")
            assert read_all(sock) == b""
        with dial(forward.port) as sock:
            sock.sendall(b"x")
            assert read_all(sock) == b"ok"
    assert "no such blob" in caplog.text


def test_a_time_out_is_one_of_sockets(session):
    seen = []

    def handle(connection):
        connection.settimeout(0.2)
        try:
            connection.recv(1)
        except TimeoutError as error:
            seen.append(error)
        connection.close()
        with pytest.raises(OSError):
            connection.sendall(b"x")
        connection.close()

    with session.reverse_forward(handle) as forward, dial(forward.port) as sock:
        assert read_all(sock) == b""
    assert len(seen) == 1


def test_a_client_that_leaves_is_an_os_error_or_an_end(session):
    outcome = []

    def handle(connection):
        try:
            while True:
                connection.sendall(b"x" * 100_000)
        except OSError as error:
            outcome.append(error)

    with session.reverse_forward(handle) as forward:
        with dial(forward.port) as sock:
            sock.recv(10)
        until = time.monotonic() + 10
        while not outcome:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_after_the_end_the_port_is_closed_and_open_connections_are_ended(session):
    ended = threading.Event()

    def handle(connection):
        while connection.recv(100):
            pass
        ended.set()

    with session.reverse_forward(handle) as forward:
        sock = dial(forward.port)
        sock.sendall(b"x")
        time.sleep(0.2)
    with sock:
        assert ended.wait(5)
        assert read_all(sock) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(forward.port)
    assert session.run(Command(("true",))).ok


def test_one_forward_at_a_time_and_another_after_it(session):
    with session.reverse_forward(echo) as first:
        with pytest.raises(ForwardRefused, match="open on this connection already"), session.reverse_forward(echo):
            pytest.fail("two forwards")
        with dial(first.port) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    with session.reverse_forward(echo) as second, dial(second.port) as sock:
        sock.sendall(b"y")
        assert sock.recv(1) == b"y"


def test_a_server_that_forwards_nothing_is_a_refusal_that_says_what_to_set(another_sshd, identity):
    with connect(another_sshd(options="AllowTcpForwarding no").endpoint(), identity) as session:
        with pytest.raises(ForwardRefused, match="AllowTcpForwarding") as caught, session.reverse_forward(echo):
            pytest.fail("it was forwarded")
        assert caught.value.permanent
        assert session.run(Command(("true",))).ok


def test_a_forward_on_a_dead_session_is_connection_lost(session):
    session.close()
    with pytest.raises(ConnectionLost), session.reverse_forward(echo):
        pytest.fail("it was forwarded")


def test_a_connection_lost_in_the_middle_ends_handlers_and_the_context(sshd, identity, proxy):
    errors = []

    def handle(connection):
        try:
            while connection.recv(100):
                pass
            connection.sendall(b"x")
        except OSError as error:
            errors.append(error)

    session = connect(sshd.endpoint(port=proxy.port), identity)
    started = time.monotonic()
    with session.reverse_forward(handle) as forward, dial(forward.port) as sock:
        sock.sendall(b"x")
        time.sleep(0.2)
        proxy.cut()
        assert read_all(sock) == b""
    assert time.monotonic() - started < 4
    assert len(errors) == 1
    assert not session.alive


def test_keep_alives_take_no_answer_from_a_forward(sshd, identity):
    with connect(sshd.endpoint(), identity, keepalive=0.05) as session:
        for _ in range(10):
            time.sleep(0.12)
            with session.reverse_forward(echo) as forward, dial(forward.port) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"


def test_at_least_one_connection_has_to_be_allowed(session):
    with pytest.raises(ValueError, match="at least one"):
        session.reverse_forward(echo, max_parallel=0)
