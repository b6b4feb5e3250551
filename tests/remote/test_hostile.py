"""A server that knows the right host key and means harm: our memory stays bounded, and the end is a clear error."""

from __future__ import annotations

import io
import logging
import threading
import time
import tracemalloc

import paramiko
import pytest
from paramiko.common import (
    cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_REQUEST,
    cMSG_REQUEST_SUCCESS,
)

from ffsweb.remote import (
    Command,
    ConnectionLost,
    Endpoint,
    ForwardRefused,
    Reason,
    RunRefused,
    Unreachable,
    connect,
)
from ffsweb.remote import keys as ssh_keys


class Server(paramiko.ServerInterface):
    """Lets everybody in; ``on_exec`` gets the channel in a thread of its own."""

    def __init__(self, on_exec, forward_port=0):
        self._on_exec = on_exec
        self._forward_port = forward_port

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        if self._on_exec is None:
            return False
        threading.Thread(target=self._run, args=(channel,), daemon=True).start()
        return True

    def _run(self, channel):
        time.sleep(0.05)  # after the answer to the request
        try:
            self._on_exec(channel)
        except (EOFError, OSError, paramiko.SSHException):
            pass

    def check_port_forward_request(self, address, port):
        return self._forward_port

    def cancel_port_forward_request(self, address, port):
        pass


@pytest.fixture
def hostile(listener, identity):
    """Call it with what happens on a command for a session with such a server."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    private, public = ssh_keys.generate()
    servers, sessions = [], []

    def start(on_exec, **options):
        def serve(connection):
            transport = paramiko.Transport(connection)
            transport.add_server_key(paramiko.Ed25519Key(file_obj=io.StringIO(private.reveal_text())))
            transport.start_server(server=Server(on_exec, **options), event=threading.Event())
            servers.append(transport)

        endpoint = Endpoint("127.0.0.1", listener(serve), "u", (public,))
        sessions.append(connect(endpoint, identity, keepalive=0))
        return sessions[-1]

    yield start
    for session in sessions:
        session.close()
    for server in servers:
        server.close()
        server.join(5)


def data(channel, content: bytes) -> paramiko.Message:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_DATA)
    message.add_int(channel.remote_chanid)
    message.add_string(content)
    return message


def test_data_beyond_the_window_ends_the_connection(hostile):
    def flood(channel):
        while True:
            channel.transport._send_user_message(data(channel, b"x\n" * 16000))

    session = hostile(flood)
    slow = []

    def take(line):
        if not slow:
            slow.append(line)
            time.sleep(2)

    tracemalloc.start()
    try:
        with pytest.raises(ConnectionLost, match="more than it was allowed to"):
            session.run(Command(("a",)), on_line=take)
        assert tracemalloc.get_traced_memory()[1] < 120_000_000
    finally:
        tracemalloc.stop()
    assert not session.alive


def test_a_packet_over_the_limit_ends_the_connection(listener, identity):
    def serve(connection):
        connection.sendall(b"SSH-2.0-x\r\n" + (0xFFFFFFF4).to_bytes(4, "big") + b"x" * 1000)

    public = ssh_keys.generate()[1]
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(Unreachable, match="packet over the limit"):
            connect(Endpoint("127.0.0.1", listener(serve), "u", (public,)), identity)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 3


def test_a_banner_without_end_ends_the_connection(listener, identity):
    def serve(connection):
        connection.sendall(b"y" * 10_000_000)

    public = ssh_keys.generate()[1]
    with pytest.raises(Unreachable) as caught:
        connect(Endpoint("127.0.0.1", listener(serve), "u", (public,)), identity)
    assert caught.value.reason is Reason.NOT_SSH
    assert len(str(caught.value)) < 300


def test_an_answer_to_no_question_ends_the_connection(hostile):
    def answer(channel):
        message = paramiko.Message()
        message.add_byte(cMSG_REQUEST_SUCCESS)
        channel.transport._send_user_message(message)
        time.sleep(5)

    session = hostile(answer)
    with pytest.raises(ConnectionLost, match="not asked"):
        session.run(Command(("a",)))


@pytest.mark.parametrize("kind", ["session", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "direct-tcpip"])
def test_channels_that_the_server_opens_are_refused_and_the_session_stays(hostile, kind):
    refused = []

    def open_channel(channel):
        try:
            channel.transport.open_channel(kind, ("127.0.0.1", 1), ("127.0.0.1", 2), timeout=5)
        except paramiko.ChannelException as error:
            refused.append(error)
        channel.send_exit_status(0)
        channel.close()

    session = hostile(open_channel)
    assert session.run(Command(("a",), timeout=10)).ok
    assert len(refused) == 1
    assert session.run(Command(("a",), timeout=10)).ok


def test_a_channel_closed_without_a_status_is_no_result(hostile):
    def leave(channel):
        channel.sendall(b"all is well\n")
        channel.close()

    session = hostile(leave)
    with pytest.raises(ConnectionLost, match="not known"):
        session.run(Command(("a",)))


def test_a_command_that_the_server_does_not_run_is_a_refusal(hostile):
    session = hostile(None)
    with pytest.raises(RunRefused, match="did not start 'a'"):
        session.run(Command(("a",)))
    assert session.alive


@pytest.mark.parametrize("name", ["NOSUCH", "", "../x", "KILL\x1b[31m", "__doc__", "x" * 1000])
def test_a_signal_that_does_not_exist_does_no_harm(hostile, name):
    def die(channel):
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("exit-signal")
        message.add_boolean(False)
        message.add_string(name)
        message.add_boolean(False)
        message.add_string("")
        message.add_string("")
        channel.transport._send_user_message(message)
        channel.close()

    result = hostile(die).run(Command(("a",), timeout=10))
    assert not result.ok
    assert len(result.signal) <= 32
    assert result.signal.isprintable()


@pytest.mark.parametrize("port", [70000, 1 << 31])
def test_a_forward_on_a_port_that_cannot_be_is_refused(hostile, port):
    session = hostile(lambda channel: None, forward_port=port)
    with pytest.raises(ForwardRefused), session.reverse_forward(lambda connection: None):
        pytest.fail("it was forwarded")


def test_a_handler_sees_only_what_came_through_its_own_port(hostile):
    seen, taken = [], threading.Event()

    def open_both(channel):
        for port in (5000, 4000):
            try:
                channel.transport.open_forwarded_tcpip_channel(("127.0.0.1", 1), ("127.0.0.1", port))
            except paramiko.SSHException:
                pass  # closed again before paramiko's server looked
        channel.send_exit_status(0)
        channel.close()

    def handle(connection):
        seen.append(connection)
        taken.set()

    session = hostile(open_both, forward_port=4000)
    with session.reverse_forward(handle) as forward:
        assert forward.port == 4000
        assert session.run(Command(("a",), timeout=10)).ok
        assert taken.wait(5)
    assert len(seen) == 1


def test_a_server_that_stops_in_the_log_in_ends_in_time(listener, identity):
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    private, public = ssh_keys.generate()
    over = threading.Event()

    class Slow(Server):
        def check_auth_publickey(self, username, key):
            over.wait(10)
            return paramiko.AUTH_FAILED

    servers = []

    def serve(connection):
        servers.append(paramiko.Transport(connection))
        servers[0].add_server_key(paramiko.Ed25519Key(file_obj=io.StringIO(private.reveal_text())))
        servers[0].start_server(server=Slow(None), event=threading.Event())

    started = time.monotonic()
    with pytest.raises(Unreachable, match="during the log-in") as caught:
        connect(Endpoint("127.0.0.1", listener(serve), "u", (public,)), identity, timeout=1.5)
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - started < 2.5
    over.set()
    servers[0].close()
    servers[0].join(5)
