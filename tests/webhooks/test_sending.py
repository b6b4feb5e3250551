"""What happens is posted once to a real receiver, whatever becomes of it, of the worker and of the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from time_machine import Traveller

from ffsweb.accounts.models import Project, User
from ffsweb.notify.models import Message
from ffsweb.notify.outgoing import CLAIM
from ffsweb.operations.stopping import process
from ffsweb.sealed import Secret
from ffsweb.webhooks import sending, services
from ffsweb.webhooks.models import Delivery, Endpoint
from ffsweb.webhooks.outbox import announce
from tests.support.threads import at_once

from .receiver import Received, Receiver

EVENT = "service.degraded"


@pytest.fixture
def clock() -> Iterator[Traveller]:
    # Certificates that were made for this test are good at the real time alone.
    with time_machine.travel(datetime.now(UTC), tick=False) as coordinates:
        yield coordinates


def tell(project: Project | None, key: str = "www:1", event: str = EVENT, **data: Any) -> None:
    announce(event, lambda: data or {"service": "www"}, key=key, project=project, path=lambda: "/projects/serbest/")


def signed_by(secret: Secret, found: Received) -> bool:
    """Checked by hand, as a receiver does."""
    key = base64.b64decode(secret.reveal_text().removeprefix("whsec_"))
    signed = f"{found.headers['webhook-id']}.{found.headers['webhook-timestamp']}.".encode() + found.body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{wanted}" in found.headers["webhook-signature"].split()


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_an_event_arrives_once_signed_and_with_the_page(
    project: Project, endpoint: Endpoint, receiver: Receiver
) -> None:
    for _ in range(2):
        tell(project, reason="It was\nrestarted " + "x" * 1000)
    assert sending.send_due() == 1 and sending.send_due() == 0
    (found,) = receiver.received
    assert signed_by(endpoint.secret, found)  # type: ignore[attr-defined]
    value = json.loads(found.body)
    assert (value["type"], value["data"]["project"]) == (EVENT, "serbest")
    assert value["data"]["url"].endswith("/projects/serbest/") and value["timestamp"].endswith("Z")
    assert value["data"]["reason"].startswith("It was restarted x") and len(value["data"]["reason"]) == 500
    assert abs(int(found.headers["webhook-timestamp"]) - time.time()) < 30
    assert states() == ["sent"] and Delivery.objects.get().status == 204


def test_an_event_that_was_undone_is_not_told(project: Project, endpoint: Endpoint) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(project)
        raise ZeroDivisionError
    assert states() == []


def test_only_what_an_endpoint_chose_is_sent_and_the_installations_hears_of_all_projects(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    services.add(actor=alice, project=None, url=receiver.url, events=["node.unreachable"])
    other = Project.objects.create(name="other")
    tell(project)
    tell(other, event="node.unreachable")
    tell(other)
    tell(None, event="service.degraded")
    found = Delivery.objects.order_by("pk").values_list("event", "endpoint__project__name")
    assert list(found) == [(EVENT, "serbest"), ("node.unreachable", None)]


def test_what_fails_is_tried_again_with_the_same_id_and_a_new_timestamp(
    project: Project, endpoint: Endpoint, receiver: Receiver, clock: Traveller
) -> None:
    receiver.answer = lambda _: 500
    tell(project)
    tell(project, key="www:2")
    assert sending.send_due() == 0
    assert len(receiver.received) == 1, "the second waits with the first"
    row = Delivery.objects.order_by("pk")[0]
    assert (row.state, row.attempts, row.status, row.last_error) == ("queued", 1, 500, "The answer was 500.")
    clock.shift(59)
    assert sending.send_due() == 0 and len(receiver.received) == 1
    receiver.answer = lambda _: 200
    clock.shift(2)
    assert sending.send_due() == 2
    first, second, third = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] != third.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert signed_by(endpoint.secret, second)  # type: ignore[attr-defined]
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None and states() == ["sent", "sent"]


def test_a_redirect_is_a_failure(project: Project, endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.answer = lambda _: 307
    tell(project)
    sending.send_due()
    assert Delivery.objects.get().last_error == "The answer was 307. Redirects are not followed."
    assert len(receiver.received) == 1


def test_a_name_that_moved_to_a_private_address_gets_nothing(
    project: Project, endpoint: Endpoint, receiver: Receiver, named: dict[str, list[str]]
) -> None:
    named[next(iter(named))] = ["169.254.169.254"]
    tell(project)
    assert sending.send_due() == 0
    assert "FFSWEB_WEBHOOK_PRIVATE" in Delivery.objects.get().last_error


def test_who_says_that_it_is_gone_is_switched_off_and_people_are_mailed(
    project: Project, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 410
    tell(project)
    tell(project, key="www:2")
    sending.send_due()
    endpoint.refresh_from_db()
    assert "410" in endpoint.stopped and states() == ["given_up", "given_up"]
    mail = Message.objects.get()
    assert (mail.address, mail.subject) == ("alice@example.org", "serbest: a webhook was switched off")
    assert f"/projects/serbest/webhooks/{endpoint.pk}/" in mail.text and "/in" not in mail.text
    tell(project, key="www:3")
    assert len(states()) == 2, "what happens meanwhile is not kept"


def test_after_five_days_of_failures_it_is_switched_off(
    project: Project, endpoint: Endpoint, receiver: Receiver, clock: Traveller
) -> None:
    receiver.answer = lambda _: 503
    tell(project)
    sending.send_due()
    for _ in range(4):
        clock.shift(timedelta(days=1))
        sending.send_due()
    assert Endpoint.objects.get().stopped == "" and not Message.objects.exists()
    clock.shift(timedelta(days=1))
    sending.send_due()
    assert Endpoint.objects.get().stopped.startswith("Nothing was taken for 5 days.")
    assert Message.objects.count() == 1


def test_what_waits_for_a_week_is_given_up(project: Project, endpoint: Endpoint, clock: Traveller) -> None:
    tell(project)
    clock.shift(timedelta(days=7, seconds=1))
    assert sending.send_due() == 0
    assert Delivery.objects.get().last_error.startswith("It was not taken for a week.")


def test_a_new_secret_and_the_old_one_both_sign_for_a_day(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver, clock: Traveller
) -> None:
    old: Secret = endpoint.secret  # type: ignore[attr-defined]
    new = services.rotate(endpoint, actor=alice)
    tell(project)
    sending.send_due()
    clock.shift(timedelta(hours=24, seconds=1))
    tell(project, key="www:2")
    sending.send_due()
    during, after = receiver.received
    assert signed_by(new, during) and signed_by(old, during)
    assert signed_by(new, after) and not signed_by(old, after)


def test_an_old_secret_that_others_know_is_ended_at_once(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    old: Secret = endpoint.secret  # type: ignore[attr-defined]
    services.rotate(endpoint, actor=alice)
    services.forget_old_secret(endpoint, actor=alice)
    tell(project)
    sending.send_due()
    assert not signed_by(old, receiver.received[0])


def test_a_secret_of_another_endpoint_does_not_open(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    other, _ = services.add(actor=alice, project=project, url=receiver.url, events=[])
    Endpoint.objects.filter(pk=endpoint.pk).update(sealed_secret=other.sealed_secret)
    tell(project)
    assert sending.send_due() == 0
    assert "cannot be opened" in Delivery.objects.get().last_error and receiver.received == []


def test_what_a_killed_worker_had_in_its_hands_is_sent_by_another_with_the_same_id(
    project: Project, endpoint: Endpoint, receiver: Receiver, clock: Traveller
) -> None:
    tell(project)
    pk = Delivery.objects.get().pk
    assert Delivery.objects.claim(pk, datetime.now(UTC)) is not None
    tell(project, key="www:2")
    assert sending.send_due() == 0, "in order: the first is in somebody's hands"
    clock.shift(CLAIM + timedelta(seconds=1))
    assert sending.send_due() == 2
    assert receiver.received[0].headers["webhook-id"] == Delivery.objects.get(pk=pk).identity


def test_a_receiver_that_is_slow_holds_up_no_other(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    services.add(actor=alice, project=project, url=f"{receiver.url}&quick", events=[EVENT])
    quick = threading.Event()

    def answer(handler: Any) -> int:
        if handler.path.endswith("quick"):
            quick.set()
            return 200
        return 200 if quick.wait(10) else 500

    receiver.answer = answer
    tell(project)
    assert sending.send_due() == 2


def test_of_two_workers_at_once_each_event_is_sent_by_one(
    project: Project, endpoint: Endpoint, receiver: Receiver
) -> None:
    for number in range(6):
        tell(project, key=f"www:{number}")
    results = at_once(*[sending.send_due] * 2)
    assert all(isinstance(each, int) for each in results), results
    sending.send_due()
    identities = [found.headers["webhook-id"] for found in receiver.received]
    assert identities == list(Delivery.objects.order_by("pk").values_list("identity", flat=True))


def test_a_mistake_at_one_endpoint_loses_no_result_of_another(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookup(host: str, _port: int) -> list[str]:
        if host == "odd.example.org":
            raise ZeroDivisionError
        return ["127.0.0.1"]

    monkeypatch.setattr(sending, "RESOLVE", lookup)
    services.add(actor=alice, project=project, url="https://odd.example.org/", events=[EVENT])
    tell(project)
    assert sending.send_due() == 1
    assert states() == ["sent", "queued"] and "ZeroDivisionError" in Delivery.objects.all()[0].last_error


def test_a_worker_that_stops_begins_nothing(project: Project, endpoint: Endpoint, receiver: Receiver) -> None:
    tell(project)
    process.stopping = True
    assert sending.send_due() == 0 and receiver.received == []


def test_a_test_and_sending_again_go_out_under_their_ids(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    services.test(endpoint, actor=alice)
    assert sending.send_due() == 1
    services.again(Delivery.objects.get(), actor=alice)
    assert sending.send_due() == 1
    first, second = receiver.received
    assert json.loads(first.body)["type"] == "test" and first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    services.switch_off(endpoint, actor=alice)
    endpoint.refresh_from_db()
    with pytest.raises(services.NotPossible, match="switched off"):
        services.test(endpoint, actor=alice)
    with pytest.raises(services.NotPossible, match="switched off"):
        services.again(Delivery.objects.get(), actor=alice)


def test_no_secret_and_no_path_is_in_logs_or_rows(
    project: Project, endpoint: Endpoint, receiver: Receiver, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    receiver.answer = lambda _: 500
    tell(project)
    sending.send_due()
    said = "".join(capsys.readouterr()) + caplog.text
    secret = endpoint.secret.reveal_text()  # type: ignore[attr-defined]
    assert "webhook_not_sent" in said and secret not in said and "who=ffsweb" not in said
    assert "who=ffsweb" not in Delivery.objects.get().last_error
    assert secret.encode() not in bytes(Endpoint.objects.get().sealed_secret)
