"""A mail that waited does not go to somebody who left meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ffsweb.accounts.models import Membership, Project, User
from ffsweb.notify import sending
from ffsweb.notify.letter import Letter
from ffsweb.notify.models import ListedAddress, Message
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
