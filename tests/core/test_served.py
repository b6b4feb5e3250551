"""Whether inventory, node and container agree about a certificate, and which port is asked."""

from __future__ import annotations

import pytest

from deployments.core.served import (
    FRONT,
    MATCH,
    MAX_PORTS,
    MISMATCH,
    UNKNOWN,
    Seen,
    compare,
    fingerprint_of,
    ports_of,
    server_name,
)

NEW, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64


@pytest.mark.parametrize(
    ("server", "seen", "state", "words"),
    [
        (NEW, Seen(NEW), MATCH, ""),
        (NEW, Seen(NEW, old=True), UNKNOWN, "long ago"),
        (NEW, Seen(OLD), MISMATCH, "it did not load the new file"),
        (NEW, Seen(OLD, old=True), MISMATCH, "it did not load the new file"),
        (NEW, Seen(OTHER), MISMATCH, "that the node does not keep"),
        (NEW, Seen(error="port 443 took no connection."), UNKNOWN, "port 443 took no connection."),
        (NEW, None, UNKNOWN, "Nobody has looked"),
        (OLD, Seen(OLD), MISMATCH, "at its next deploy"),
        (OLD, Seen(NEW), MISMATCH, "its unit on the node names another"),
        ("", None, MISMATCH, "has no certificate for it"),
        (None, Seen(NEW), UNKNOWN, "was not read"),
        (None, None, UNKNOWN, "was not read"),
        (None, Seen(OLD), MISMATCH, "was not read"),
    ],
)
def test_what_three_places_say_is_one_verdict_with_its_reason(
    server: str | None, seen: Seen | None, state: str, words: str
) -> None:
    verdict = compare(NEW, server, seen, held={NEW, OLD})
    assert verdict.state == state
    assert words in verdict.reason
    assert bool(verdict.reason) == (state != MATCH)


@pytest.mark.parametrize(
    ("server", "outside", "inside", "state", "words"),
    [
        (NEW, Seen(NEW), Seen(NEW), MATCH, ""),
        (NEW, Seen(error="port 443 took no connection."), Seen(NEW), MATCH, ""),
        (NEW, Seen(NEW), Seen(error="the node's program is too old."), MATCH, ""),
        (NEW, None, Seen(NEW), MATCH, ""),
        (NEW, Seen(OTHER), Seen(NEW), FRONT, "The service itself is right"),
        (NEW, Seen(NEW), Seen(OTHER), FRONT, "the one in front serves it"),
        (NEW, Seen(OLD), Seen(OTHER), FRONT, "neither of them serves it"),
        (OLD, Seen(OTHER), Seen(NEW), FRONT, "which its unit on the node does not name"),
        (None, Seen(OTHER), Seen(NEW), FRONT, "something answers in between"),
        (NEW, Seen(OTHER, old=True), Seen(NEW), MATCH, ""),
        (NEW, Seen(NEW), Seen(OTHER, old=True), MATCH, ""),
        (NEW, Seen(OLD, old=True), Seen(NEW, old=True), UNKNOWN, "long ago"),
        (NEW, Seen(OLD), Seen(OLD), MISMATCH, "it did not load the new file"),
        (NEW, Seen(error="A."), Seen(error="B."), UNKNOWN, "from the dashboard: A. from the node: B."),
    ],
)
def test_what_the_node_sees_counts_first_and_a_difference_between_the_two_is_something_in_front(
    server: str | None, outside: Seen | None, inside: Seen, state: str, words: str
) -> None:
    verdict = compare(NEW, server, outside, inside, held={NEW, OLD})
    assert verdict.state == state
    assert words in verdict.reason
    assert bool(verdict.reason) == (state != MATCH)


@pytest.mark.parametrize(
    ("version", "fingerprint"), [(f"{NEW}-12ab34cd", NEW), (NEW, NEW), ("none", ""), ("", ""), (None, "")]
)
def test_the_name_of_a_staged_certificate_begins_with_its_fingerprint(version: str | None, fingerprint: str) -> None:
    assert fingerprint_of(version) == fingerprint


def port(host: int, container: int = 0, protocol: str = "tcp") -> dict[str, object]:
    return {"host": host, "container": container or host, "protocol": protocol}


def test_the_port_of_an_https_health_check_is_asked_first_and_then_the_usual_ones() -> None:
    ports = [port(80), port(5432), port(9000, 8443), port(443), port(53, protocol="udp")]
    assert ports_of(ports) == (443, 9000, 80, 5432)
    assert ports_of(ports, "https://:5432/x")[0] == 5432
    assert ports_of(ports, "tcp://:80")[0] == 443
    assert ports_of(ports, "nonsense")[0] == 443


def test_no_more_than_a_few_ports_are_asked() -> None:
    assert len(ports_of([port(1000 + number) for number in range(50)])) == MAX_PORTS
    assert ports_of([]) == ()


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["*.example.org", "example.org"], "example.org"),
        (["192.0.2.1", "2001:db8::1"], ""),
        (["*.example.org"], ""),
        ([], ""),
        (["", ".example.org", "x" * 300], ""),
    ],
)
def test_the_name_that_is_asked_for_is_a_hosts(names: list[str], asked: str) -> None:
    assert server_name(names) == asked
