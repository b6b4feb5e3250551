"""Mail goes out once, to a real mail server, whatever becomes of the server, the worker and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import transaction
from time_machine import Traveller

from ffsweb.accounts.models import Project
from ffsweb.celery import app
from ffsweb.notify import outbox, sending, services
from ffsweb.notify.letter import Letter
from ffsweb.notify.models import Message
from ffsweb.notify.outbox import queue
from ffsweb.notify.outgoing import CLAIM
from ffsweb.operations.stopping import process
from tests.support.threads import at_once

from .conftest import Serving, enter
from .mailserver import MailServer, free_port

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LETTER = Letter(
    subject="www is degraded",
    happened="It was restarted 5 times within 3 minutes.",
    facts=(("Node", "node-a"), ("Since", "2026-11-24 07:58:00 UTC")),
    todo="Read its journal.",
    path="/projects/serbest/",
)


@pytest.fixture
def clock() -> Iterator[Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def put(*to: str, key: str = "event:1", letter: Letter = LETTER, project: Project | None = None) -> None:
    queue(letter, to=to or ("alice@example.org",), key=key, kind="test", project=project)


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


def test_a_mail_arrives_as_text_and_as_html_with_what_happened_and_the_link(
    mail_server: MailServer, project: Project
) -> None:
    put(project=project)
    assert sending.send_due() == 1
    mail = mail_server.mail()
    assert (mail["To"], mail["From"]) == ("alice@example.org", "ffsweb <ffsweb@example.org>")
    assert mail["Subject"] == "www is degraded"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "serbest <serbest.ffsweb.example.org>"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    for part in (text, html):
        assert "It was restarted 5 times" in part
        assert "2026-11-24 07:58:00 UTC" in part
        assert "Read its journal." in part
        assert f"{settings.PUBLIC_URL}/projects/serbest/" in part
        assert "because of the project serbest" in part
    assert states() == ["sent"]


def test_nobody_is_mailed_twice_of_the_same_event(mail_server: MailServer) -> None:
    put("alice@example.org", "bob@example.org")
    put("Alice@Example.org", "carol@example.org")
    put("alice@example.org", key="event:2")
    sending.send_due()
    sending.send_due()
    assert mail_server.addresses() == [
        "alice@example.org",
        "alice@example.org",
        "bob@example.org",
        "carol@example.org",
    ]


def test_what_is_rolled_back_is_not_mailed(transactional_db: None) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        put()
        raise RuntimeError
    assert states() == []


def test_an_address_that_is_none_is_left_out(transactional_db: None) -> None:
    put("alice@example.org\r\nBcc: eve@example.org", "a@b, c@d.org", "üñï@example.org", "", "bob@example.org")
    assert [row.address for row in Message.objects.all()] == ["bob@example.org"]


HOSTILE = "www\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>\u202e\0" + "x" * 9000


def test_text_of_a_node_adds_no_header_and_no_tag(mail_server: MailServer) -> None:
    put(letter=Letter(subject=HOSTILE, happened=HOSTILE, facts=((HOSTILE, HOSTILE),) * 500, todo=HOSTILE))
    sending.send_due()
    mail = mail_server.mail()
    assert mail_server.addresses() == ["alice@example.org"]
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= 200
    assert "\n" not in str(mail["Subject"])
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<script" not in html
    assert "\u202e" not in html
    assert len(bytes(mail)) < 400_000


def test_after_a_day_without_a_mail_server_everything_arrives_once(serving: Serving, clock: Traveller) -> None:
    port = free_port()
    enter(port)
    put("alice@example.org", "bob@example.org")
    for minute in range(24 * 60):
        clock.move_to(START + timedelta(minutes=minute))
        if minute == 600:
            put("carol@example.org", key="event:2")
        assert sending.send_due() == 0
    assert states() == ["queued"] * 3
    first = Message.objects.order_by("pk")[0]
    assert "could not be reached" in first.last_error
    assert first.attempts < 60, "it has to wait longer and longer"
    server = serving(port)
    tried = 0
    while len(server.taken) < 3:
        clock.shift(timedelta(minutes=1))
        sending.send_due()
        tried += 1
    assert tried <= 61
    assert server.addresses() == ["alice@example.org", "bob@example.org", "carol@example.org"]
    assert states() == ["sent"] * 3


def test_a_mail_that_comes_while_the_server_is_back_wakes_those_that_wait(serving: Serving, clock: Traveller) -> None:
    port = free_port()
    enter(port)
    put()
    for _ in range(400):
        clock.shift(timedelta(minutes=1))
        sending.send_due()
    assert Message.objects.get().next_at > datetime.now(UTC) + timedelta(minutes=1)
    server = serving(port)
    put("bob@example.org", key="event:2")
    assert sending.send_due() == 1
    assert sending.send_due() == 1
    assert server.addresses() == ["alice@example.org", "bob@example.org"]


def test_after_a_week_a_mail_is_given_up_and_can_be_tried_again(
    serving: Serving, clock: Traveller, people: dict[str, object]
) -> None:
    put()
    clock.shift(timedelta(days=6, hours=23))
    sending.send_due()
    assert states() == ["queued"]
    clock.shift(timedelta(hours=2))
    sending.send_due()
    row = Message.objects.get()
    assert (row.state, row.last_error) == ("given_up", "It could not be sent for a week. There is no mail server.")
    server = serving()
    assert sending.send_due() == 0
    services.again(row, actor=people["alice"])  # type: ignore[arg-type]
    assert sending.send_due() == 1
    assert server.addresses() == ["alice@example.org"]
    with pytest.raises(services.NotPossible):
        services.again(row, actor=people["alice"])  # type: ignore[arg-type]


@pytest.mark.parametrize("first_answer", ["", "450 4.2.1 Greylisted, try again later"])
def test_whatever_is_written_while_the_server_is_away_for_a_week_arrives_once(
    serving: Serving, clock: Traveller, first_answer: str
) -> None:
    port = free_port()
    enter(port)
    put()
    for hour in range(8 * 24):
        clock.move_to(START + timedelta(hours=hour))
        if hour == 100:
            put("bob@example.org", key="event:2")
        sending.send_due()
    assert states() == ["queued"] * 2
    server = serving(port)
    server.refuses = dict.fromkeys(["alice@example.org", "bob@example.org"], first_answer)
    for minute in range(180):
        clock.shift(timedelta(minutes=1))
        sending.send_due()
        if minute == 90:
            server.refuses.clear()
    assert server.addresses() == ["alice@example.org", "bob@example.org"]


def test_a_server_that_is_away_for_a_month_is_not_waited_for_any_longer(
    clock: Traveller, transactional_db: None
) -> None:
    enter(free_port())
    put()
    for day in range(32):
        clock.move_to(START + timedelta(days=day))
        sending.send_due()
    row = Message.objects.get()
    assert row.state == "given_up"
    assert "could not be sent for 30 days. The mail server" in row.last_error


def test_one_refused_address_keeps_nobody_else_from_their_mail(mail_server: MailServer) -> None:
    mail_server.refuses["bob@example.org"] = "550 5.1.1 No such user here"
    put("alice@example.org", "bob@example.org", "carol@example.org")
    assert sending.send_due() == 2
    assert mail_server.addresses() == ["alice@example.org", "carol@example.org"]
    row = Message.objects.get(address="bob@example.org")
    assert row.state == "given_up"
    assert row.last_error == "bob@example.org was refused: 550 5.1.1 No such user here."


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_what_the_server_does_not_take_now_is_tried_again(mail_server: MailServer, clock: Traveller, at: str) -> None:
    if at == "RCPT":
        mail_server.refuses["alice@example.org"] = "450 4.2.1 Greylisted, try again later"
    else:
        mail_server.data_answer = "452 4.3.1 Insufficient system storage"
    put()
    assert sending.send_due() == 0
    row = Message.objects.get()
    assert (row.state, row.attempts, row.next_at - START) == ("queued", 1, timedelta(minutes=1))
    assert sending.send_due() == 0, "not before its time"
    mail_server.refuses.clear()
    mail_server.data_answer = ""
    clock.shift(timedelta(minutes=1))
    assert sending.send_due() == 1


def test_two_workers_at_once_send_each_mail_once(mail_server: MailServer) -> None:
    put(*(f"p{at}@example.org" for at in range(12)))
    results = at_once(*[sending.send_due] * 2)
    assert all(isinstance(each, int) for each in results), results
    assert mail_server.addresses() == sorted(f"p{at}@example.org" for at in range(12))
    assert set(states()) == {"sent"}


def test_a_mail_in_the_hands_of_a_worker_that_was_killed_is_sent_when_its_claim_is_over(
    mail_server: MailServer, clock: Traveller
) -> None:
    put()
    assert Message.objects.claim(Message.objects.get().pk, START) is not None
    assert Message.objects.claim(Message.objects.get().pk, START) is None
    clock.shift(CLAIM - timedelta(seconds=1))
    assert sending.send_due() == 0
    clock.shift(timedelta(seconds=2))
    assert sending.send_due() == 1


def test_a_doubled_mail_has_the_same_message_id(mail_server: MailServer, clock: Traveller) -> None:
    """The worker dies after the server took the mail and before the row says so."""
    put()
    sending.send_due()
    Message.objects.update(state="queued", claim="dead", claimed_until=START + CLAIM)
    clock.shift(CLAIM + timedelta(seconds=1))
    sending.send_due()
    ids = [mail["Message-ID"] for _, mail in mail_server.taken]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert {mail["Date"] for _, mail in mail_server.taken} == {mail_server.taken[0][1]["Date"]}


def test_a_worker_that_stops_sends_no_more(mail_server: MailServer) -> None:
    put("alice@example.org", "bob@example.org")

    def stop() -> None:
        process.stopping = True

    mail_server.on_data = stop
    assert sending.send_due() == 1
    assert sorted(states()) == ["queued", "sent"]


def test_mails_are_forgotten_after_more_than_a_year(transactional_db: None, clock: Traveller) -> None:
    put()
    put(key="event:2")
    Message.objects.filter(key="event:1").update(state="sent")
    clock.shift(outbox.KEPT - timedelta(days=1))
    outbox.forget_old()
    assert Message.objects.count() == 2
    clock.shift(timedelta(days=2))
    outbox.forget_old()
    assert [row.key for row in Message.objects.all()] == ["event:2"]


def test_the_clock_sends_and_forgets_by_itself() -> None:
    app.loader.import_default_modules()
    wanted = {"notify.send", "notify.forget"}
    assert wanted <= set(app.tasks)
    assert wanted <= {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert app.conf.beat_schedule["notify.send"]["schedule"].run_every == timedelta(seconds=15)


def test_a_key_names_its_event(transactional_db: None) -> None:
    for key in ("", "x" * 201):
        with pytest.raises(ValueError, match="a key has"):
            put(key=key)
