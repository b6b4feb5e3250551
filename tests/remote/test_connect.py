"""Getting in, and every way of not getting in, against a real SSH server."""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest

from ffsweb.remote import (
    AuthRefused,
    Command,
    Endpoint,
    HostKeyChanged,
    HostKeyUnknown,
    Identity,
    Interrupted,
    Reason,
    Unreachable,
    connect,
)
from ffsweb.remote import keys as ssh_keys
from ffsweb.remote.keys import BadPublicKey, parse_public_key
from ffsweb.sealed import Secret
from tests.remote.commands import timed
from tests.remote.conftest import free_port

sshd_needed = pytest.mark.sshd


def logins(sshd) -> int:
    """How often somebody began to log in: userauth is the first thing that sshd logs with a user's name."""
    return sum(sshd.log().count(text) for text in ("Accepted publickey", "Failed publickey", "Invalid user"))


def endpoint(port: int, **changes) -> Endpoint:
    return Endpoint(
        **{"host": "127.0.0.1", "port": port, "user": "u", "host_keys": (ssh_keys.generate()[1],), **changes}
    )


@sshd_needed
def test_a_pinned_node_lets_us_in_and_says_which_key_it_proved(sshd, identity):
    with connect(sshd.endpoint(), identity) as session:
        assert session.alive
        assert session.public_host_key == parse_public_key(sshd.host_key).line
        assert session.run(Command(("echo", "hello"))).out == "hello\n"
    assert not session.alive
    session.close()


@sshd_needed
def test_one_fitting_pin_among_several_is_enough(sshd, identity):
    others = (ssh_keys.generate()[1], sshd.host_key, ssh_keys.generate()[1])
    with connect(sshd.endpoint(host_keys=others), identity) as session:
        assert session.public_host_key == parse_public_key(sshd.host_key).line


@sshd_needed
@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
def test_other_kinds_of_host_keys_can_be_pinned(another_sshd, identity, key_type):
    server = another_sshd(key_type=key_type)
    with connect(server.endpoint(), identity) as session:
        assert session.public_host_key == parse_public_key(server.host_key).line


@sshd_needed
def test_an_unknown_host_key_is_shown_and_not_logged_in_to(sshd, identity):
    before = logins(sshd)
    with pytest.raises(HostKeyUnknown, match="SHA256:") as caught:
        connect(sshd.endpoint(host_keys=()), identity)
    assert caught.value.permanent
    assert caught.value.offered == parse_public_key(sshd.host_key).line
    assert caught.value.fingerprint == parse_public_key(sshd.host_key).fingerprint
    assert logins(sshd) == before


@sshd_needed
def test_a_changed_host_key_is_refused_with_both_fingerprints_before_any_log_in(sshd, identity):
    pin = ssh_keys.generate()[1]
    before = logins(sshd)
    with pytest.raises(HostKeyChanged) as caught:
        connect(sshd.endpoint(host_keys=(pin,)), identity)
    assert caught.value.permanent
    assert caught.value.fingerprint == parse_public_key(sshd.host_key).fingerprint
    assert caught.value.pinned == (parse_public_key(pin).fingerprint,)
    assert caught.value.fingerprint in str(caught.value)
    assert caught.value.pinned[0] in str(caught.value)
    assert logins(sshd) == before


@sshd_needed
def test_a_node_without_a_key_of_the_pinned_kind_has_changed(another_sshd, identity):
    server = another_sshd(key_type="ecdsa")
    before = logins(server)
    pin = ssh_keys.generate()[1]
    with pytest.raises(HostKeyChanged, match="no longer has a key of the known kind") as caught:
        connect(server.endpoint(host_keys=(pin,)), identity)
    assert caught.value.offered == ""
    assert parse_public_key(pin).fingerprint in str(caught.value)
    assert logins(server) == before


def test_a_pin_that_is_no_key_is_refused_before_dialling(identity):
    with pytest.raises(BadPublicKey):
        connect(endpoint(1, host_keys=("nonsense",)), identity)


@sshd_needed
def test_a_refused_key_is_tried_once_and_nothing_else_is(sshd, tmp_path, monkeypatch):
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(str(tmp_path / "agent"))
    agent.listen()
    agent.settimeout(0.2)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    before = sshd.log()
    with pytest.raises(AuthRefused, match="did not accept the key") as caught:
        connect(sshd.endpoint(), Identity(ssh_keys.generate()[0]))
    assert caught.value.permanent
    with pytest.raises(TimeoutError):
        agent.accept()
    agent.close()
    assert sshd.log()[len(before) :].count("Failed publickey") <= 1


@sshd_needed
def test_an_unknown_user_is_refused(sshd, identity):
    with pytest.raises(AuthRefused, match="no-such-user"):
        connect(sshd.endpoint(user="no-such-user"), identity)


@sshd_needed
def test_a_server_that_hangs_up_on_the_first_wrong_key_is_a_refusal_too(another_sshd):
    server = another_sshd(options="MaxAuthTries 1")
    with pytest.raises(AuthRefused):
        connect(server.endpoint(), Identity(ssh_keys.generate()[0]))


@sshd_needed
def test_a_server_that_wants_more_than_a_key_is_a_refusal(another_sshd, identity):
    server = another_sshd(options="PasswordAuthentication yes\nAuthenticationMethods publickey,password")
    with pytest.raises(AuthRefused, match=r"asks for more.*password"):
        connect(server.endpoint(), identity)


@pytest.mark.parametrize(
    "private",
    [
        "",
        "sentinel",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nsentinel\n-----END OPENSSH PRIVATE KEY-----\n",
        b"\xffsentinel",
    ],
)
def test_an_unusable_private_key_is_refused_before_dialling_and_not_shown(private):
    with pytest.raises(AuthRefused, match="cannot be used") as caught:
        connect(endpoint(1), Identity(Secret(private)))
    assert "sentinel" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80 + ".invalid", "a..b"])
def test_a_host_name_without_address_is_named(identity, host):
    with pytest.raises(Unreachable, match=r"host name|did not let us in") as caught:
        connect(endpoint(22, host=host), identity, timeout=5)
    assert host in str(caught.value)
    assert caught.value.reason in (Reason.NAME, Reason.TIMEOUT)


def test_a_closed_port_is_named(identity):
    port = free_port()
    with pytest.raises(Unreachable, match=f"Nothing listens on 127.0.0.1 port {port}") as caught:
        connect(endpoint(port), identity)
    assert caught.value.reason is Reason.REFUSED
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\xff\xfe\r\n" * 120,
    ],
)
def test_a_port_that_speaks_something_else_is_named(listener, identity, greeting):
    def greet(connection):
        connection.sendall(greeting)
        connection.shutdown(socket.SHUT_WR)

    with pytest.raises(Unreachable, match="no SSH server") as caught:
        connect(endpoint(listener(greet)), identity)
    assert caught.value.reason is Reason.NOT_SSH
    assert caught.value.permanent
    assert all(character.isprintable() for character in str(caught.value))


def test_a_server_that_wants_nobody_now_says_so(listener, identity):
    def greet(connection):
        connection.sendall(b"Exceeded MaxStartups\r\n")
        connection.close()

    with pytest.raises(Unreachable, match="no more connections from here for now") as caught:
        connect(endpoint(listener(greet)), identity)
    assert not caught.value.permanent


def test_a_connection_closed_at_once_is_named(listener, identity):
    with pytest.raises(Unreachable, match="closed the connection before its greeting") as caught:
        connect(endpoint(listener(lambda connection: connection.close())), identity)
    assert caught.value.reason is Reason.NETWORK


def test_a_banner_that_never_comes_ends_in_time(listener, identity):
    port = listener(lambda connection: None)
    error, seconds = timed(lambda: connect(endpoint(port), identity, timeout=1), Unreachable)
    assert error.reason is Reason.TIMEOUT
    assert "said nothing" in str(error)
    assert 0.9 < seconds < 2


def test_a_banner_that_drips_for_ever_ends_in_time(listener, identity):
    def drip(connection):
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    error, seconds = timed(lambda: connect(endpoint(listener(drip)), identity, timeout=1), Unreachable)
    assert seconds < 2
    assert error.reason in (Reason.TIMEOUT, Reason.NOT_SSH)


def test_a_server_that_stops_after_its_banner_ends_in_time(listener, identity):
    port = listener(lambda connection: connection.sendall(b"SSH-2.0-Hung\r\n"))
    error, seconds = timed(lambda: connect(endpoint(port), identity, timeout=1), Unreachable)
    assert error.reason is Reason.TIMEOUT
    assert "began and then stopped" in str(error)
    assert seconds < 2


def test_a_full_backlog_ends_in_time(identity):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(sock.getsockname())
            error, seconds = timed(lambda: connect(endpoint(sock.getsockname()[1]), identity, timeout=1), Unreachable)
        finally:
            for filler in fillers:
                filler.close()
    assert error.reason is Reason.TIMEOUT
    assert seconds < 2


def test_a_name_server_that_hangs_does_not_hold_the_caller(identity, monkeypatch):
    release = threading.Event()
    real = socket.getaddrinfo

    def hang(*arguments, **options):
        release.wait(10)
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    error, seconds = timed(lambda: connect(endpoint(1), identity, timeout=1), Unreachable)
    release.set()
    assert error.reason is Reason.TIMEOUT
    assert seconds < 2


def test_connecting_is_stopped_on_request(listener, identity):
    port, stop = listener(lambda connection: None), threading.Event()
    threading.Timer(0.3, stop.set).start()
    _, seconds = timed(lambda: connect(endpoint(port), identity, stop=stop), Interrupted)
    assert seconds < 0.8


@sshd_needed
def test_a_failed_attempt_leaves_no_thread(sshd, identity):
    def attempt():
        for changes in ({"host_keys": ()}, {"user": "no-such-user"}):
            with pytest.raises((HostKeyUnknown, AuthRefused)):
                connect(sshd.endpoint(**changes), identity)

    before = set(threading.enumerate())
    attempt()
    until = time.monotonic() + 5
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def test_an_error_is_raised_and_not_logged_as_well(listener, identity, caplog):
    logging.getLogger("ffsweb.remote.paramiko").setLevel(logging.NOTSET)  # as logging.config leaves it
    with caplog.at_level(logging.DEBUG), pytest.raises(Unreachable):
        connect(endpoint(listener(lambda connection: connection.close())), identity)
    assert caplog.text == ""


@sshd_needed
def test_aes_gcm_is_what_is_spoken_and_nothing_weak_is_offered(another_sshd, identity):
    server = another_sshd(options="LogLevel DEBUG2")
    with connect(server.endpoint(), identity) as session:
        session.run(Command(("true",)))
    offered = server.log()
    assert "aes128-gcm@openssh.com" in offered.split("kex: client->server cipher: ")[1].splitlines()[0]
    ours = offered.split("peer client KEXINIT proposal")[1].split("languages ctos")[0]
    for weak in ("cbc", "3des", "md5", "sha1", "ssh-rsa", "ssh-dss", "group1-", "cert-v01"):
        assert weak not in ours


@sshd_needed
@pytest.mark.parametrize(
    "lists",
    [
        ("KexAlgorithms ecdh-sha2-nistp256", "Ciphers aes256-gcm@openssh.com", "MACs hmac-sha2-512-etm@openssh.com"),
        ("KexAlgorithms curve25519-sha256@libssh.org", "Ciphers aes256-ctr", "MACs hmac-sha2-256-etm@openssh.com"),
    ],
)
def test_a_server_that_takes_a_part_of_the_current_algorithms_is_spoken_with(another_sshd, identity, lists):
    server = another_sshd(options="\n".join(lists))
    with connect(server.endpoint(), identity) as session:
        assert session.run(Command(("true",))).ok


@sshd_needed
def test_a_server_without_a_current_algorithm_is_told_of_before_anything_is_sent(another_sshd, identity):
    server = another_sshd(options="KexAlgorithms diffie-hellman-group14-sha256")
    with pytest.raises(Unreachable, match="one of KexAlgorithms mlkem768x25519-sha256 curve25519-sha256"):
        connect(server.endpoint(), identity)


@sshd_needed
def test_a_new_connection_does_not_wait_for_delayed_acknowledgements(sshd, identity):
    def once():
        with connect(sshd.endpoint(), identity) as session:
            started = time.monotonic()
            session.run(Command(("true",)))
            return time.monotonic() - started

    assert min(once() for _ in range(10)) < 0.035  # the stall is 40 ms, each time
