"""A connection that is cut, swallowed or slow, between us and a real SSH server."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from ffsweb.remote import Command, ConnectionLost, Deadline, Interrupted, RemoteError, Unreachable, connect
from tests.remote.commands import sh, timed
from tests.remote.conftest import kill

pytestmark = pytest.mark.sshd


@pytest.fixture
def through(sshd, identity, proxy):
    """A session through the proxy; ``keepalive`` is an argument."""
    sessions = []

    def make(**options):
        sessions.append(connect(sshd.endpoint(port=proxy.port), identity, **options))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.mark.parametrize("cut_after", [0, 1, 20, 41, 200, 700, 1200, 1500, 1800, 2200])
def test_a_connection_cut_anywhere_while_connecting_is_one_clear_error(sshd, identity, proxy, cut_after):
    proxy.cut_after = cut_after
    try:
        session = connect(sshd.endpoint(port=proxy.port), identity, timeout=5)
    except Unreachable as error:
        assert not error.permanent
        assert "u@" not in str(error)
    else:  # the cut comes later than the log-in
        _, seconds = timed(lambda: session.run(sh("seq 1000", timeout=5)), ConnectionLost)
        assert seconds < 2
        session.close()


@pytest.mark.parametrize("cut_after", [0, 1, 100, 1000, 50_000])
def test_a_connection_cut_in_the_middle_of_output_is_no_result(through, proxy, cut_after):
    session = through()
    lines = []
    proxy.cut_after = proxy.down + cut_after
    error, seconds = timed(lambda: session.run(sh("seq 1 100000"), on_line=lines.append), ConnectionLost)
    assert seconds < 3
    assert "Whether 'sh -c seq 1 100000' finished is not known" in str(error)
    assert not error.permanent
    assert not session.alive
    assert [line.text for line in lines[:-1]] == [str(n) for n in range(1, len(lines))]


def test_every_byte_at_which_a_short_command_can_be_cut_gives_a_result_or_connection_lost(sshd, identity, proxy):
    """Never a wrong result: at some byte it becomes whole, and stays so."""
    with connect(sshd.endpoint(port=proxy.port), identity) as session:
        start = proxy.down
        whole = session.run(sh("echo out; echo err >&2; exit 5"))
        size = proxy.down - start
    outcomes = []
    for cut in range(0, size + 1, 24):
        proxy.cut_after = None
        with connect(sshd.endpoint(port=proxy.port), identity) as session:
            proxy.cut_after = proxy.down + cut
            try:
                result = session.run(sh("echo out; echo err >&2; exit 5", timeout=10))
            except ConnectionLost:
                outcomes.append(False)
            else:
                outcomes.append(True)
                assert (result.exit_status, result.out, result.err) == (5, whole.out, whole.err)
        proxy.cut()
    assert outcomes[0] is False


def test_a_cut_in_the_middle_of_stdin_is_told(through, proxy):
    session = through()
    threading.Timer(0.3, proxy.cut).start()

    def source():
        while True:
            yield b"x" * 10_000
            time.sleep(0.01)

    _, seconds = timed(lambda: session.run(Command(("cat",), stdin=source())), ConnectionLost)
    assert seconds < 3


def test_a_black_hole_is_noticed_by_keep_alive(through, proxy):
    session = through(keepalive=0.5)
    threading.Timer(0.3, proxy.black_hole.set).start()
    error, seconds = timed(lambda: session.run(sh("cat", stdin=_slowly(10), timeout=60)), ConnectionLost)
    assert 1 < seconds < 5
    assert "sent nothing any more" in str(error)
    assert not session.alive


def _slowly(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.2)
        yield b""


def test_an_idle_session_lives_by_keep_alive_and_dies_in_a_black_hole(through, proxy):
    session = through(keepalive=0.4)
    time.sleep(2.5)
    assert session.alive
    assert session.run(Command(("true",))).ok
    proxy.black_hole.set()
    until = time.monotonic() + 5
    while session.alive:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_deadline_holds_in_a_black_hole(through, proxy):
    session = through(keepalive=0)
    proxy.black_hole.set()
    _, seconds = timed(lambda: session.run(Command(("true",), timeout=1)), Deadline)
    assert 0.9 < seconds < 2


def test_the_stop_event_holds_in_a_black_hole(through, proxy):
    session, stop = through(keepalive=0), threading.Event()
    proxy.black_hole.set()
    threading.Timer(0.3, stop.set).start()
    _, seconds = timed(lambda: session.run(Command(("true",)), stop=stop), Interrupted)
    assert seconds < 0.9


@pytest.mark.parametrize("way", ["deadline", "stop"])
def test_limits_hold_while_paramiko_is_stuck_in_a_send(through, proxy, way):
    """The peer stops reading: a thread hangs in send() and holds the connection's write lock."""
    session, stop = through(keepalive=0), threading.Event()
    session._wire._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    threading.Timer(0.3, proxy.stalled.set).start()
    endless = (b"x" * 131072 for _ in iter(int, 1))
    if way == "stop":
        threading.Timer(1.5, stop.set).start()
    command = sh("cat >/dev/null", stdin=endless, timeout=1.5 if way == "deadline" else 60)
    _, seconds = timed(lambda: session.run(command, stop=stop), Deadline if way == "deadline" else Interrupted)
    assert 1.3 < seconds < 2.5
    assert not session.alive
    proxy.stalled.clear()


def test_closing_works_while_paramiko_is_stuck_in_a_send(through, proxy):
    session = through(keepalive=0)
    session._wire._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    threading.Timer(0.3, proxy.stalled.set).start()
    threading.Timer(1.5, session.close).start()
    endless = (b"x" * 131072 for _ in iter(int, 1))
    _, seconds = timed(lambda: session.run(sh("cat >/dev/null", stdin=endless)), ConnectionLost)
    assert seconds < 3
    proxy.stalled.clear()


def test_a_slow_link_changes_nothing_but_time(through, proxy):
    session = through()
    proxy.delay = 0.03
    result = session.run(Command(("cat",), stdin=b"line\n" * 50_000, timeout=60))
    assert result.out == "line\n" * 50_000


def test_a_slow_node_is_let_in_when_there_is_time_and_not_when_there_is_none(sshd, identity, proxy):
    proxy.delay = 0.2
    with connect(sshd.endpoint(port=proxy.port), identity, timeout=15) as session:
        assert session.run(Command(("true",))).ok
    _, seconds = timed(lambda: connect(sshd.endpoint(port=proxy.port), identity, timeout=0.5), Unreachable)
    assert seconds < 1.2


def test_a_server_that_dies_is_told_and_a_new_connection_works_after_its_return(another_sshd, identity):
    server = another_sshd()
    session = connect(server.endpoint(), identity)
    errors = []

    def run():
        try:
            session.run(Command(("cat",), stdin=_slowly(20)))
        except RemoteError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    kill(server.children())
    thread.join(60)
    assert isinstance(errors[0], ConnectionLost)
    with connect(server.endpoint(), identity) as again:
        assert again.run(Command(("true",))).ok
