"""What a probe may say, and what an answer to it means."""

from __future__ import annotations

import pytest

from deployments.nodekit.supervisor import Probe
from deployments.nodekit.supervisor.probe import parse_probe, question, verdict


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://127.0.0.1/", "only http:// and https://"),
        ("http://", "write http://HOST[:PORT]/PATH"),
        ("http://127.0.0.1:0/", "a port is between 1 and 65535"),
        ("http://127.0.0.1:70000/", "a port is between 1 and 65535"),
        ("http://user:pass@127.0.0.1/", "without user name"),
        ("http://127.0.0.1/a b", "space"),
        ("http://127.0.0.1/#part", "#"),
        ("http://127.0.0.1/\r\nX: y", "write http://HOST[:PORT]/PATH"),
        ("http://[::1/", "write http://HOST[:PORT]/PATH"),
        ("tcp:127.0.0.1", "write tcp:HOST:PORT"),
        ("tcp:127.0.0.1:99999", "a port is between 1 and 65535"),
        ("", "the probe is empty"),
        ("'unfinished", "No closing quotation"),
        ("/nonexistent/check --now", "is not there, or may not be run"),
    ],
)
def test_a_probe_that_cannot_be_is_refused_at_the_start(text, words, capsys):
    from deployments.nodekit.supervisor.command import main

    with pytest.raises(SystemExit) as refused:
        main(["--probe", text, "--", "true"])
    assert refused.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("http://127.0.0.1", Probe("http", "127.0.0.1", 80, "/")),
        ("HTTPS://app.example/x?y=z", Probe("https", "app.example", 443, "/x?y=z")),
        ("http://[::1]:8080?x", Probe("http", "::1", 8080, "/?x")),
        ("tcp:[::1]:5432", Probe("tcp", "::1", 5432)),
        ("sh -c 'exit 0'", Probe("command", argv=("sh", "-c", "exit 0"))),
    ],
)
def test_what_a_probe_means(text, probe):
    assert parse_probe(text) == probe


def test_the_usual_port_is_not_named():
    assert b"Host: app.example\r\n" in question(parse_probe("https://app.example/"))
    assert b"Host: app.example:80\r\n" in question(parse_probe("https://app.example:80/"))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200", b"HTTP/1.0 301 Moved", b"HTTP/1.1 399"])
def test_success_and_redirection_are_healthy(answer):
    assert verdict(parse_probe("http://127.0.0.1/"), answer) == ""


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 100", b"HTTP/1.1 404 no", b"HTTP/1.1 503", b"HTTP/2 200", b"+PONG"]
)
def test_all_else_is_not(answer):
    assert verdict(parse_probe("http://127.0.0.1/"), answer)
