"""The benchmark's link: what it delays, what it limits, what it counts, and how it ends."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time

import pytest

from benchmarks.push.relay import Bucket, Direction, Queue, Relay


@pytest.fixture
def echo():
    """A server that sends back what comes; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection):
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def dial(relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), 20)


def all_of(sock) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def exchange(relay, data: bytes) -> bytes:
    with dial(relay) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        back = all_of(sock)
        sender.join()
    return back


def test_a_bucket_lets_bytes_through_at_its_rate_and_saves_nothing_up():
    bucket = Bucket(1000.0)
    assert bucket.through(500, now=10.0) == 10.5
    assert bucket.through(500, now=10.1) == 11.0
    assert bucket.through(100, now=50.0) == pytest.approx(50.1)


def test_a_bucket_without_a_rate_holds_nothing_back():
    assert Bucket(None).through(10**9, now=3.0) == 3.0


def test_pieces_are_as_small_as_the_rate_asks_for():
    assert Direction(0.01, None).piece == 256 * 1024
    assert Direction(0.01, 12_500_000).piece == 25_000
    assert Direction(0.01, 1000).piece == 1460


def test_a_full_queue_makes_the_sender_wait():
    queue, put = Queue(limit=10), threading.Event()

    def send():
        for _ in range(3):
            queue.put(0.0, b"123456")
        queue.put(0.0, None)
        put.set()

    threading.Thread(target=send, daemon=True).start()
    assert not put.wait(0.2)
    assert list(queue) == [b"123456"] * 3
    assert put.wait(10)


def test_a_closed_queue_holds_nobody():
    queue = Queue(limit=1)
    queue.put(0.0, b"xx")
    queue.close()
    queue.put(0.0, b"xx")


def test_bytes_arrive_as_they_were_sent_and_are_counted_both_ways(echo):
    data = os.urandom(3_000_000)
    with Relay(echo) as relay:
        assert hashlib.sha256(exchange(relay, data)).digest() == hashlib.sha256(data).digest()
        assert (relay.to_target.passed, relay.from_target.passed) == (len(data), len(data))


def test_every_byte_is_late_by_the_delay_but_none_waits_for_another(echo):
    with Relay(echo, delay=0.1) as relay, dial(relay) as sock:
        began = time.monotonic()
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert time.monotonic() - began >= 0.2
        began = time.monotonic()
        for _ in range(20):
            sock.sendall(b"y" * 1000)
            time.sleep(0.01)
        got = 0
        while got < 20_000:
            got += len(sock.recv(65536))
        # One after the other they would take 20 round trips: 4 s.
        assert time.monotonic() - began < 3


def test_a_rate_is_shared_by_all_connections(echo):
    with Relay(echo, rate=1_000_000) as relay:
        began = time.monotonic()
        threads = [threading.Thread(target=exchange, args=(relay, os.urandom(300_000))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began >= 0.59
        assert relay.to_target.passed == 600_000


def test_a_rate_with_a_delay_is_reached_all_the_same(echo):
    with Relay(echo, rate=2_000_000, delay=0.05) as relay:
        began = time.monotonic()
        exchange(relay, os.urandom(2_000_000))
        seconds = time.monotonic() - began
    assert 1.09 <= seconds < 4


def test_the_end_of_one_direction_leaves_the_other_open(echo):
    with Relay(echo, delay=0.02) as relay, dial(relay) as sock:
        sock.sendall(b"all of it")
        sock.shutdown(socket.SHUT_WR)
        assert all_of(sock) == b"all of it"


def test_a_target_that_is_not_there_is_the_end_of_the_connection():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with Relay(address) as relay, dial(relay) as sock:
        assert all_of(sock) == b""


def test_a_target_that_leaves_is_noticed_by_who_sends():
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Relay(listener.getsockname()) as relay, dial(relay) as sock:
        listener.accept()[0].close()
        with pytest.raises(OSError):
            for _ in range(1000):
                sock.sendall(bytes(100_000))


def test_closing_it_ends_every_connection(echo):
    relay = Relay(echo)
    with dial(relay) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        relay.close()
        assert all_of(sock) == b""
    with pytest.raises(OSError):
        dial(relay)
