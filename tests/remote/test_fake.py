"""The fake node keeps the contract of the real one."""

from __future__ import annotations

import threading
import time

import pytest

from ffsweb.remote import (
    Command,
    ConnectionLost,
    Deadline,
    Endpoint,
    ForwardRefused,
    Identity,
    Interrupted,
    Line,
    Reason,
    Unreachable,
)
from ffsweb.remote.fake import HOST_KEY, Answer, CutAfter, FakeNode, Hang
from ffsweb.sealed import Secret

ENDPOINT = Endpoint("node-a", 22, "ffsweb", (HOST_KEY,))
IDENTITY = Identity(Secret("key"))


@pytest.fixture
def node():
    return FakeNode()


@pytest.fixture
def session(node):
    with node.connect(ENDPOINT, IDENTITY) as session:
        yield session


def test_a_scripted_answer_comes_as_lines_and_result(node, session):
    node.on(("ls",), Answer(out="a\nb\n", err=b"\xffc\x07", exit_status=2))
    lines = []
    result = session.run(Command(("ls", "-l")), on_line=lines.append)
    assert lines == [Line(1, "out", "a"), Line(2, "out", "b"), Line(3, "err", "\ufffdc")]
    assert (result.out, result.err, result.exit_status, result.argv) == ("a\nb\n", "\ufffdc", 2, ("ls", "-l"))
    assert node.calls[0].argv == ("ls", "-l")


def test_an_answer_may_be_worked_out_from_the_call(node, session):
    node.on(("wc",), lambda call: Answer(out=f"{len(call.stdin)} {call.argv[1]}\n"))
    assert session.run(Command(("wc", "-c"), stdin=(b"x" * 1000 for _ in range(3)))).out == "3000 -c\n"
    assert node.calls[0].stdin == b"x" * 3000
    assert "xxx" not in repr(node.calls)


def test_the_longest_prefix_wins_and_among_equal_ones_the_last(node, session):
    node.on((), Answer(out="any"))
    node.on(("a", "b"), Answer(out="old"))
    node.on(("a", "b"), Answer(out="new"))
    node.on(("a",), Answer(out="short"))
    assert [session.run(Command(argv)).out for argv in (("a", "b", "c"), ("a", "x"), ("z",))] == [
        "new",
        "short",
        "any",
    ]


def test_what_is_not_scripted_fails_loudly(session):
    with pytest.raises(AssertionError, match="nothing is scripted"):
        session.run(Command(("rm",)))


def test_a_node_that_refuses_connections(node):
    node.refuse()
    with pytest.raises(Unreachable) as caught:
        node.connect(ENDPOINT, IDENTITY)
    assert caught.value.reason is Reason.REFUSED
    node.accept()
    assert node.connect(ENDPOINT, IDENTITY).alive
    assert node.connects == 2


def test_a_fault_meets_one_command_once(node, session):
    node.on(("a",), Answer(out="fine"))
    node.fault(("a",), ConnectionLost("gone"))
    with pytest.raises(ConnectionLost, match="gone"):
        session.run(Command(("a",)))
    assert session.run(Command(("a",))).out == "fine"
    assert len(node.calls) == 2


def test_a_command_that_hangs_ends_by_its_deadline_and_the_session_with_it(node, session):
    node.fault(("a",), Hang())
    with pytest.raises(Deadline):
        session.run(Command(("a",), timeout=0.1))
    assert not session.alive
    with pytest.raises(ConnectionLost):
        session.run(Command(("a",)))


def test_a_command_that_hangs_ends_by_the_stop_event_and_the_session_stays(node, session):
    node.fault(("a",), Hang())
    node.on(("a",), Answer())
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Interrupted):
        session.run(Command(("a",)), stop=stop)
    assert session.run(Command(("a",))).ok


def test_a_cut_after_some_bytes_gives_their_lines_and_no_result(node, session):
    node.on(("a",), Answer(out="one\ntwo\nthree\n"))
    node.fault(("a",), CutAfter(6))
    lines = []
    with pytest.raises(ConnectionLost, match="after 6 bytes"):
        session.run(Command(("a",)), on_line=lines.append)
    assert [line.text for line in lines] == ["one"]
    assert not session.alive


def test_a_cut_ends_every_session(node, session):
    node.cut()
    with pytest.raises(ConnectionLost):
        session.run(Command(("a",)))


def test_the_result_is_bounded_as_the_real_one(node, session):
    node.on(("a",), Answer(out="0123456789\n" * 100))
    result = session.run(Command(("a",)), keep=30)
    assert result.truncated
    assert result.out == "0123456789\n" * 2


def test_an_answer_takes_its_time(node, session):
    node.on(("a",), Answer(seconds=0.2))
    started = time.monotonic()
    assert session.run(Command(("a",))).seconds >= 0.2
    assert time.monotonic() - started < 2


def test_a_reverse_forward_is_dialled_from_the_node(node, session):
    def handle(connection):
        connection.sendall(b"you said " + connection.recv(10))

    with session.reverse_forward(handle) as forward:
        with node.dial(forward.port) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"you said hello"
            assert sock.recv(100) == b""
        with pytest.raises(ForwardRefused), session.reverse_forward(handle):
            pytest.fail("two forwards")
    with pytest.raises(ConnectionRefusedError):
        node.dial(forward.port)


def test_a_script_may_use_the_forward(node, session):
    def handle(connection):
        connection.sendall(b"blob")

    def pull(call):
        with node.dial(int(call.argv[1])) as sock:
            return Answer(out=sock.recv(100))

    node.on(("pull",), pull)
    with session.reverse_forward(handle) as forward:
        assert session.run(Command(("pull", str(forward.port)))).out == "blob"


def test_forwarded_connections_beyond_the_limit_wait(node, session):
    lock, now, most = threading.Lock(), 0, 0

    def handle(connection):
        nonlocal now, most
        with lock:
            now += 1
            most = max(now, most)
        connection.recv(1)
        with lock:
            now -= 1

    with session.reverse_forward(handle, max_parallel=2) as forward:
        socks = [node.dial(forward.port) for _ in range(5)]
        time.sleep(0.1)
        for sock in socks:
            sock.sendall(b"x")
            assert sock.recv(1) == b""
            sock.close()
    assert most == 2
