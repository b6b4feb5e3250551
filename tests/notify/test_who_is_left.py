"""A mail that waited does not go to somebody who left meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.notify import digest, sending
from ffsweb.notify.letter import Letter
from ffsweb.notify.models import Digest, ListedAddress, Message
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients

from .mailserver import MailServer

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("waited", [timedelta(minutes=1), timedelta(hours=3)])
def test_who_left_while_a_mail_waited_does_not_get_it(
    mail_server: MailServer, project: Project, people: dict[str, User], waited: timedelta
) -> None:
    ListedAddress.objects.create(project=project, address="pager@example.org")
    ListedAddress.objects.create(project=project, address="left@example.org")
    User.objects.filter(username="mallory").update(is_administrator=True)
    with time_machine.travel(START, tick=False) as clock:
        to = [*recipients(project, "test"), "carol@example.org", "mallory@example.org"]
        queue(Letter("Something", "It happened."), to=to, key="event:1", kind="test", project=project)
        Membership.objects.filter(user=people["bob"]).delete()
        User.objects.filter(username="carol").update(is_active=False)
        ListedAddress.objects.filter(address="left@example.org").delete()
        User.objects.filter(username="alice").update(email="Alice@example.org")
        clock.shift(waited)
        sending.send_due()
    still = ["alice@example.org", "mallory@example.org", "pager@example.org"]
    left = ["bob@example.org", "carol@example.org", "left@example.org"]
    if waited > sending.FRESH:
        assert mail_server.addresses() == still
        given_up = Message.objects.filter(state="given_up").order_by("address")
        assert [row.address for row in given_up] == left
        assert given_up[0].last_error == "bob@example.org belongs to nobody in serbest any more."
    else:
        assert mail_server.addresses() == sorted(still + left)


def test_a_mail_of_no_project_goes_to_whom_it_was_written(mail_server: MailServer) -> None:
    with time_machine.travel(START, tick=False) as clock:
        queue(Letter("Something", "It happened."), to=["a@example.org"], key="event:1", kind="test")
        clock.shift(timedelta(hours=3))
        sending.send_due()
    assert mail_server.addresses() == ["a@example.org"]


@pytest.mark.parametrize(
    ("change", "waited"),
    [
        ("nothing", timedelta(hours=23)),
        ("nothing", timedelta(hours=25)),
        ("removed", timedelta(hours=3)),
        ("viewer", timedelta(hours=3)),
        ("deactivated", timedelta(hours=3)),
        ("another address", timedelta(hours=3)),
    ],
)
def test_a_persons_digest_that_waited_goes_to_who_is_told_of_a_project_still(
    mail_server: MailServer,
    project: Project,
    people: dict[str, User],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    waited: timedelta,
) -> None:
    monkeypatch.setattr(digest, "sources", [lambda found: [digest.Item(each, "www", "It fails.") for each in found]])
    bob = User.objects.filter(username="bob")
    with time_machine.travel(START, tick=False) as clock:
        Digest.objects.create(user=people["bob"], hour=8)
        assert digest.send_due(START) == 1
        if change == "removed":
            Membership.objects.filter(user=people["bob"]).delete()
        elif change == "viewer":
            Membership.objects.filter(user=people["bob"]).update(role=Role.VIEWER)
        elif change == "deactivated":
            bob.update(is_active=False)
        elif change == "another address":
            bob.update(email="new@example.org")
        clock.shift(waited)
        sending.send_due()
    goes = change == "nothing" and waited < timedelta(days=1)
    assert mail_server.addresses() == (["bob@example.org"] if goes else [])
    assert Message.objects.get().state == ("sent" if goes else "given_up")


def test_a_mail_of_a_project_that_waited_is_not_for_a_viewer(
    mail_server: MailServer, project: Project, people: dict[str, User]
) -> None:
    with time_machine.travel(START, tick=False) as clock:
        queue(Letter("A", "B."), to=recipients(project, "test"), key="event:1", kind="test", project=project)
        Membership.objects.filter(user=people["bob"]).update(role=Role.VIEWER)
        clock.shift(timedelta(hours=3))
        sending.send_due()
    assert mail_server.addresses() == ["alice@example.org"]
