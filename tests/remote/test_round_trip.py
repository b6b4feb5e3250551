"""How long a round trip takes, told without making one."""

from __future__ import annotations

import socket
import struct

import pytest

from ffsweb.remote import Command, connect
from ffsweb.remote.fake import FakeNode
from ffsweb.remote.wire import Wire, way_and_back

ONE_WAY = 0.04


class Sock:
    """A socket as far as a wire asks it how far away the other end is."""

    def __init__(self, told):
        self._told = told

    def getsockopt(self, level, name, size):
        assert (level, name) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        if isinstance(self._told, Exception):
            raise self._told
        return self._told[:size]


def info(microseconds: int) -> bytes:
    """As the kernel fills it in, and what newer kernels add."""
    return bytes(148) + struct.pack("=I", microseconds) + bytes(80)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (info(25_000), 0.025),
        (info(0), 0.5),
        (info(0xFFFFFFFF), 0.5),
        (bytes(104), 0.5),
        (b"", 0.5),
        (OSError("closed"), 0.5),
    ],
    ids=["told", "no sample", "never", "an old kernel", "nothing", "closed"],
)
def test_the_kernel_tells_or_else_what_connecting_took(told, seconds):
    assert Wire(Sock(told), 0.5).round_trip() == pytest.approx(seconds)


def test_where_the_kernel_never_tells_it_is_what_connecting_took(monkeypatch):
    monkeypatch.setattr("ffsweb.remote.wire._INFO", None)
    assert Wire(Sock(AssertionError("asked")), 0.25).round_trip() == 0.25


@pytest.mark.parametrize(
    ("tcp", "answer", "seconds"),
    [
        (0.03, None, 0.03),
        (0.03, 0.031, 0.03),
        (0.0001, 0.009, 0.0001),
        (0.0001, 0.08, 0.08),
        (0.1, 0.15, 0.1),
        (0.01, 0.25, 0.25),
    ],
    ids=["nothing answered", "direct", "a busy node", "a relay beside us", "a slow node", "a relay on the way"],
)
def test_a_relay_is_noticed_by_the_answers_of_the_node(tcp, answer, seconds):
    assert way_and_back(tcp, answer) == seconds


@pytest.mark.sshd
def test_on_this_machine_it_is_next_to_nothing(session):
    assert session.run(Command(("true",))).ok
    assert 0 < session.round_trip() < ONE_WAY


@pytest.mark.sshd
def test_it_is_known_from_the_start_and_after_the_end(sshd, identity):
    with connect(sshd.endpoint(), identity) as session:
        assert session.round_trip() > 0
    assert session.round_trip() > 0


@pytest.mark.sshd
def test_behind_a_relay_it_is_the_whole_way(sshd, identity, proxy):
    proxy.delay = ONE_WAY
    with connect(sshd.endpoint(port=proxy.port), identity) as session:
        assert session.run(Command(("true",))).ok
        assert session.round_trip() >= 2 * ONE_WAY


@pytest.mark.sshd
def test_the_answer_to_a_forward_request_counts_too(sshd, identity, proxy):
    proxy.delay = ONE_WAY
    with connect(sshd.endpoint(port=proxy.port), identity) as session, session.reverse_forward(lambda _: None):
        assert session.round_trip() >= 2 * ONE_WAY


def test_a_fake_node_is_as_far_away_as_it_is_told_to_be():
    node = FakeNode()
    node.round_trip = 0.08
    assert node.session().round_trip() == 0.08
