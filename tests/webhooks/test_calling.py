"""One POST to a real server: who is reached, who is not, and when it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ffsweb.webhooks import calling
from ffsweb.webhooks.addresses import parse
from ffsweb.webhooks.calling import Answer, NotSent, post

from .receiver import NAME, Receiver

LOOPBACK = ("127.0.0.0/8",)


def here(*_: object) -> list[str]:
    return ["127.0.0.1"]


def test_what_is_sent_arrives_over_tls_under_its_name(receiver: Receiver) -> None:
    answer = post(parse(receiver.url), b"{}", {"webhook-id": "msg_1"}, allowed=LOOPBACK, lookup=here)
    assert answer == Answer(204) and answer.good
    (found,) = receiver.received
    assert (found.path, found.body) == ("/in?who=ffsweb", b"{}")
    assert found.headers["host"] == f"{NAME}:{receiver.port}"
    assert found.headers["content-type"] == "application/json" and found.headers["webhook-id"] == "msg_1"


def test_a_name_is_resolved_once_and_that_address_is_connected_to(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    post(parse(receiver.url), b"{}", {}, allowed=LOOPBACK, lookup=rebinding)
    assert asked == [NAME]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"], []])
def test_a_name_that_leads_to_this_machine_is_not_reached(receiver: Receiver, addresses: list[str]) -> None:
    with pytest.raises(NotSent, match="Nothing was sent"):
        post(parse(receiver.url), b"{}", {}, lookup=lambda *_: addresses)
    assert receiver.received == []


def test_localhost_as_the_system_resolves_it_is_not_reached(receiver: Receiver) -> None:
    with pytest.raises(NotSent, match="FFSWEB_WEBHOOK_PRIVATE"):
        post(parse(f"https://localhost:{receiver.port}/"), b"{}", {})
    assert receiver.received == []


def test_a_certificate_for_another_name_is_not_trusted(receiver: Receiver) -> None:
    with pytest.raises(NotSent, match="could not be reached"):
        post(parse(f"https://other.example.org:{receiver.port}/"), b"{}", {}, allowed=LOOPBACK, lookup=here)
    assert receiver.received == []


def test_plain_http_goes_to_named_networks_alone(tmp_path: Path) -> None:
    plain = Receiver(tmp_path, tls=False)
    try:
        destination = parse(f"http://{NAME}:{plain.port}/x")
        assert post(destination, b"{}", {}, allowed=LOOPBACK, lookup=here).good
        with pytest.raises(NotSent, match="Use https"):
            post(destination, b"{}", {}, lookup=lambda *_: ["1.1.1.1"])
    finally:
        plain.close()


def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver) -> None:
    receiver.answer = lambda _: 302
    answer = post(parse(receiver.url), b"{}", {}, allowed=LOOPBACK, lookup=here)
    assert answer == Answer(302) and not answer.good
    assert len(receiver.received) == 1


def test_who_sends_a_byte_now_and_then_is_cut_off(receiver: Receiver) -> None:
    def drip(handler: Any) -> int:
        for each in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000:
            handler.wfile.write(bytes([each]))
            handler.wfile.flush()
            time.sleep(0.05)
        return 0

    receiver.answer = drip
    began = time.monotonic()
    with pytest.raises(NotSent, match="within 1 seconds"):
        post(parse(receiver.url), b"{}", {}, allowed=LOOPBACK, lookup=here, seconds=0.6)
    assert time.monotonic() - began < 5


def test_of_an_answer_without_end_only_the_beginning_is_read(receiver: Receiver) -> None:
    sent = 0

    def flood(handler: Any) -> int:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.wfile.write(b"a" * 65536)
            sent += 65536

    receiver.answer = flood
    assert post(parse(receiver.url), b"{}", {}, allowed=LOOPBACK, lookup=here).good
    assert sent < 100 * calling.MOST


def test_what_is_no_http_and_who_is_away_are_told_apart_from_answers(receiver: Receiver) -> None:
    def nonsense(handler: Any) -> int:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        return 0

    receiver.answer = nonsense
    with pytest.raises(NotSent, match=NAME):
        post(parse(receiver.url), b"{}", {}, allowed=LOOPBACK, lookup=here)
    with pytest.raises(NotSent, match="could not be reached"):
        post(parse(f"https://{NAME}:1/"), b"{}", {}, allowed=LOOPBACK, lookup=here)
