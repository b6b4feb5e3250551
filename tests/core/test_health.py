"""The health check of a service: what may be written, what it means, and what is refused by name."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core import health, node_commands, node_input
from deployments.core.health import HealthCheckError, health_check, parse_health_check, tcp_ports
from deployments.core.health_values import BOTH, DASHBOARD, NODE, HealthCheck, Probe, Probed, in_words, probes_of
from deployments.core.node_argv import PREFIX

URL = string.ascii_letters + string.digits + "._~!$&'()*+,;=:@%/?-"
PORTS = st.integers(1, 65535)
PATHS = st.text(URL, max_size=100).map(lambda text: f"/{text}")
WORDS = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).filter(lambda word: word[:1] != "-"),
    min_size=1,
    max_size=8,
).filter(lambda words: bool(words[0]))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("https://:443/healthz", HealthCheck("https", 443, "/healthz")),
        ("http://:8080/", HealthCheck("http", 8080, "/")),
        ("http://:8080", HealthCheck("http", 8080, "/")),
        ("http://:80/a?b=c&d=%20", HealthCheck("http", 80, "/a?b=c&d=%20")),
        ("tcp://:5432", HealthCheck("tcp", 5432)),
        ("command: /app/check --fast", HealthCheck("command", words=("/app/check", "--fast"))),
        ("command:check 'a b' \"c\"", HealthCheck("command", words=("check", "a b", "c"))),
    ],
)
def test_each_form_is_read(line: str, wanted: HealthCheck) -> None:
    assert parse_health_check(line) == wanted


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("https://:443/" + "a" * 300, health.TooLong),
        ("https://:443/" + "a" * 200, health.TooLong),
        ("command: " + "a " * 33, health.TooLong),
        ("command: " + "a" * 257, health.TooLong),
        ("https://:443/\r\nHost: x", health.BadCharacter),
        ("https://:443/\n", health.BadCharacter),
        ("https://:443/\0", health.BadCharacter),
        ("command: a\tb", health.BadCharacter),
        ("command: a\x1b[0m", health.BadCharacter),
        ("https://:443/größe", health.BadCharacter),
        ("https://:443/a b", health.BadCharacter),
        (" https://:443/", health.BadCharacter),
        ("healthz", health.UnknownForm),
        ("ftp://:21/", health.UnknownForm),
        ("HTTPS://:443/", health.UnknownForm),
        ("https:///healthz:1", health.BadPort),
        ("tcp:127.0.0.1:5432", health.UnknownForm),
        ("https://www.example.org:443/", health.UnknownForm),
        ("http://user@:80/", health.UnknownForm),
        ("https:///healthz", health.BadPort),
        ("https://:/", health.BadPort),
        ("tcp://:0", health.BadPort),
        ("tcp://:01", health.BadPort),
        ("tcp://:65536", health.BadPort),
        ("tcp://:-1", health.BadPort),
        ("tcp://:1:2", health.BadPort),
        ("tcp://:" + "9" * 200, health.BadPort),
        ("tcp://:5432/", health.BadPath),
        ("https://:443/#top", health.BadPath),
        ('https://:443/"', health.BadPath),
        ("https://:443/[a]", health.BadPath),
        ("https://:443?a", health.BadPath),
        ("command:", health.BadCommand),
        ("command: ''", health.BadCommand),
        ("command: 'a", health.BadCommand),
        ("command: --privileged x", health.BadCommand),
    ],
)
def test_what_is_none_is_refused_by_name(line: str, error: type[HealthCheckError]) -> None:
    with pytest.raises(error, match=r"\.$"):
        parse_health_check(line)


@given(st.sampled_from(["http", "https"]), PORTS, PATHS)
def test_what_is_shown_is_what_was_read(scheme: str, port: int, path: str) -> None:
    line = f"{scheme}://:{port}{path}"
    assert parse_health_check(line).at() == line


@given(WORDS)
def test_the_words_of_a_command_are_a_shells(words: list[str]) -> None:
    assert parse_health_check(f"command: {shlex.join(words)}").words == tuple(words)


@given(st.text(max_size=400))
def test_any_text_is_a_health_check_or_refused_with_a_sentence(line: str) -> None:
    try:
        check = health_check(line, NODE, {80, 443})
    except HealthCheckError as error:
        assert str(error).endswith(".")
        assert str(error).isprintable()
    else:
        assert check is None or parse_health_check(check.at()) == check


@given(st.sampled_from(["http", "https", "tcp"]), PORTS, PATHS)
def test_what_is_read_is_a_command_that_the_node_takes(scheme: str, port: int, path: str) -> None:
    check = HealthCheck(scheme, port, "" if scheme == "tcp" else path)
    given_path = () if scheme == "tcp" else ("--path", path)
    wanted = ("probe", "--service", "www", "--kind", scheme, "--port", str(port), *given_path)
    assert node_commands.probe("www", check) == (*PREFIX, *wanted)
    assert node_input.probe_input(check) is None


def test_the_words_of_a_command_are_no_arguments() -> None:
    check = HealthCheck("command", words=("/app/check", "a b"))
    assert node_commands.probe("www", check) == (*PREFIX, "probe", "--service", "www", "--kind", "command")
    assert node_input.probe_input(check) == b'["/app/check", "a b"]'


def test_a_port_is_one_that_the_service_publishes_by_tcp() -> None:
    ports = tcp_ports(
        [
            {"host": 443, "container": 8443, "protocol": "tcp"},
            {"host": 53, "container": 53, "protocol": "udp"},
        ]
    )
    for side in (NODE, DASHBOARD, BOTH):
        assert health_check("https://:443/", side, ports) == HealthCheck("https", 443, "/")
        for port in (53, 8443):
            with pytest.raises(health.NotPublished, match=rf"TCP port {port} of the host \(it publishes 443\)"):
                health_check(f"tcp://:{port}", side, ports)
    with pytest.raises(health.NotPublished, match="it publishes none"):
        health_check("tcp://:1", NODE, ())


def test_a_command_is_asked_from_the_node_alone() -> None:
    assert health_check("command: a", NODE, ()) == HealthCheck("command", words=("a",))
    for side in (DASHBOARD, BOTH, "elsewhere"):
        with pytest.raises(health.WrongSide):
            health_check("command: a", side, ())
    assert health_check("", "elsewhere", ()) is None


def test_each_side_asks_where_it_finds_the_node() -> None:
    check = HealthCheck("https", 443, "/healthz")
    assert probes_of(None, BOTH, "192.0.2.1") == ()
    assert [probe.what for probe in probes_of(check, BOTH, "2001:db8::1")] == [
        "https://[2001:db8::1]:443/healthz",
        "https://127.0.0.1:443/healthz",
    ]
    assert probes_of(check, DASHBOARD, "192.0.2.1") == (Probe(DASHBOARD, check, "192.0.2.1"),)
    assert in_words(check, BOTH) == "The gate asks https://:443/healthz from the dashboard and from the node."


def test_what_was_seen_is_a_sentence() -> None:
    seen = Probed(DASHBOARD, "https://192.0.2.1:443/healthz", good=False, said="answered 503")
    assert seen.sentence == "The health check from the dashboard: https://192.0.2.1:443/healthz answered 503."
