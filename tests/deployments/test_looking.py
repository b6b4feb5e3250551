"""The dashboard looks at what services serve: what it sees of good and of hostile peers, and which are due."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.utils import timezone

from deployments.execution import connection, looking
from deployments.execution.served_probe import look
from deployments.models import HostKey, Node, Served, Service
from deployments.models.served import EVERY
from ffsweb.remote import Interrupted
from ffsweb.remote.fake import HOST_KEY
from tests.certificates.material import Issued, issue, server
from tests.deployments.fleet import Fleet
from tests.deployments.serving import serving
from tests.deployments.simulated import SimulatedNode


def fingerprint(issued: Issued) -> str:
    return hashlib.sha256(issued.certificate.public_bytes(Encoding.DER)).hexdigest()


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def closed() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def test_a_handshake_shows_which_certificate_is_served_and_until_when() -> None:
    with serving(server) as port:
        seen = look("127.0.0.1", [port], name="www.example.org", stop=threading.Event())
    assert (seen.port, seen.fingerprint, seen.error) == (port, fingerprint(server()), "")
    assert seen.not_after == server().certificate.not_valid_after_utc
    assert seen.not_before == server().certificate.not_valid_before_utc


def test_an_expired_certificate_is_seen_like_any_other() -> None:
    old = issue("old", days=1, started=9)
    with serving(lambda: old) as port:
        assert look("127.0.0.1", [port], stop=threading.Event()).fingerprint == fingerprint(old)


def test_a_port_without_tls_is_passed_over() -> None:
    with closed() as nothing, serving(server) as port:
        assert look("127.0.0.1", [nothing, port], stop=threading.Event()).port == port


def test_a_peer_that_says_nothing_costs_the_limit_and_no_more() -> None:
    begun = time.monotonic()
    with silent() as port, closed() as nothing:
        seen = look("127.0.0.1", [port, nothing], stop=threading.Event(), seconds=0.3)
    assert time.monotonic() - begun < 3
    assert seen.error == f"port {port} gave no answer within 0.3 s; port {nothing} took no connection."
    assert (seen.port, seen.fingerprint) == (0, "")


def test_a_stop_ends_a_look_at_once() -> None:
    stop = threading.Event()
    stop.set()
    with silent() as port, pytest.raises(Interrupted):
        look("127.0.0.1", [port], stop=stop, seconds=30)


def test_a_service_that_publishes_nothing_is_not_asked() -> None:
    assert look("127.0.0.1", [], stop=threading.Event()).error == "it publishes no TCP port."


def deployed(fleet: Fleet, port: int, name: str = "www", node: Node | None = None) -> Service:
    """A live service with the tests' certificate, published at ``port`` on loopback."""
    certificate = fleet.project.certificates.first() or fleet.certificate(server())
    node = node or Node.objects.filter(name="node-a").first() or fleet.node(address="127.0.0.1")
    ports = [{"host": port, "container": 8443, "protocol": "tcp"}]
    service = fleet.service(node, name, ports=ports, certificate=certificate)
    release = fleet.project.releases.first() or fleet.release(fleet.described_image())
    Service.objects.filter(pk=service.pk).update(live_release=release)
    return service


def test_what_is_served_is_kept_and_looked_at_again_when_it_is_time(fleet: Fleet) -> None:
    with serving(server) as port:
        service = deployed(fleet, port)
        assert looking.look_at_due() == 1
        kept = Served.objects.get(service=service).outside
        assert kept is not None
        assert (kept.port, kept.fingerprint, kept.error, kept.is_old) == (port, fingerprint(server()), "", False)
        assert looking.look_at_due() == 0
        Served.objects.update(at=timezone.now() - EVERY * 1.3, fingerprint="0" * 64)
        assert looking.look_at_due() == 1
    assert Served.objects.get(service=service).fingerprint == fingerprint(server())


def test_a_service_that_does_not_answer_any_more_is_said_to(fleet: Fleet) -> None:
    with closed() as port:
        service = deployed(fleet, port)
        Served.objects.create(service=service, at=timezone.now() - timedelta(hours=2), fingerprint="a" * 64, port=1)
        assert looking.look_at_due() == 1
    kept = Served.objects.get(service=service)
    assert (kept.port, kept.fingerprint, kept.not_after) == (0, "", None)
    assert kept.error == f"port {port} took no connection."


def test_only_live_services_with_a_certificate_are_due(fleet: Fleet) -> None:
    node = fleet.node(address="127.0.0.1")
    plain = fleet.service(node, "plain", ports=[{"host": 444, "container": 1, "protocol": "tcp"}])
    stopped, waiting = deployed(fleet, 445, "stopped"), deployed(fleet, 446, "waiting")
    Service.objects.filter(pk=plain.pk).update(live_release=stopped.project.releases.first())
    Service.objects.filter(pk=stopped.pk).update(stopped_at=timezone.now())
    Service.objects.filter(pk=waiting.pk).update(live_release=None)
    live = deployed(fleet, 447, "live")
    assert [service.name for service in looking.due(timezone.now())] == [live.name]


def seen_from_a_node(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, *ports: int) -> SimulatedNode:
    """A node with a pinned key, and a service at each of these ports of this machine."""
    simulated = SimulatedNode()
    monkeypatch.setattr(connection, "connect", simulated.connect)
    node = fleet.node(address="127.0.0.1")
    HostKey.objects.create(node=node, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
    for number, port in enumerate(ports):
        deployed(fleet, port, f"www-{number}", node)
    return simulated


def test_the_node_is_asked_too_over_one_connection_for_all_of_its_services(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(server) as one, serving(server) as other:
        node = seen_from_a_node(fleet, monkeypatch, one, other)
        assert looking.look_at_due() == 2
    assert node.verbs() == ["served", "served"]
    assert node.fake.connects == 1
    for kept, port in zip(Served.objects.order_by("service__name"), (one, other), strict=True):
        assert kept.inside is not None and kept.outside is not None
        assert (kept.inside.port, kept.inside.fingerprint) == (port, fingerprint(server()))
        assert kept.inside.not_after == datetime.fromtimestamp(2_000_000_000, UTC)
        assert kept.outside.fingerprint == fingerprint(server())


def test_a_program_that_is_too_old_is_said_to_be(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(server) as port:
        seen_from_a_node(fleet, monkeypatch, port).program_too_old = True
        assert looking.look_at_due() == 1
        assert looking.look_at_due() == 0  # that is an answer: it is asked again in ten minutes
    kept = Served.objects.get()
    assert kept.node_error == "the node's program is too old to look: upgrade ffs-node."
    assert kept.fingerprint == fingerprint(server())


@pytest.mark.parametrize(
    "told",
    [
        {"port": 443, "fingerprint": "<b>", "not_after": 1, "said": ""},
        {"port": 99999999, "fingerprint": "a" * 64, "not_after": 1, "said": ""},
        {"port": -1, "fingerprint": "a" * 64, "not_after": "soon", "said": ""},
        {"port": 0, "said": "\x1b[2J"},
        {},
    ],
)
def test_a_node_that_answers_nonsense_is_not_believed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, told: dict[str, object]
) -> None:
    with serving(server) as port:
        node = seen_from_a_node(fleet, monkeypatch, port)
        monkeypatch.setattr(node, "_served", lambda _options, _stdin: {"ok": True, **told})
        looking.look_at_due()
    kept = Served.objects.get()
    assert (kept.node_fingerprint, kept.node_port) == ("", 0)
    assert kept.node_error.startswith("the node did not look: The node's answer has no proper ")


def test_a_node_that_is_away_leaves_what_the_dashboard_sees(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(server) as port:
        seen_from_a_node(fleet, monkeypatch, port).vanish()
        assert looking.look_at_due() == 1
    kept = Served.objects.get()
    assert kept.node_error.startswith("the node could not be asked: ")
    assert kept.fingerprint == fingerprint(server())


def test_a_tick_ends_by_its_budget_and_leaves_the_rest_to_the_next(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "BUDGET", 0.2)
    with silent() as port:
        deployed(fleet, port)
        begun = time.monotonic()
        looking.look_at_due()
    assert time.monotonic() - begun < 3
    assert not Served.objects.filter(at__isnull=False).exists()
    assert len(looking.due(timezone.now())) == 1
