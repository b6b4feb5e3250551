"""One mail a day of what is open, for those who want one: never two for a day, and none lost with the mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from time_machine import Traveller, travel

from certificates.models import Alert
from certificates.services import alerts
from deployments.models import Node, Service
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.notify import digest, services
from ffsweb.notify.models import Digest, ListedAddress, Message
from ffsweb.notify.tasks import write_digests
from tests.support.threads import at_once

from .conftest import Visit
from .described import Described
from .markup import assert_well_made
from .test_certificate_alerts import certificate

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2027, 3, 1, 5, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Traveller]:
    with travel(START, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def bob_wants(bob: User, clock: Traveller) -> User:
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    bob.refresh_from_db()
    services.choose_digest(7, actor=bob)
    return bob


@pytest.fixture
def opened(described: Described, clock: Traveller) -> Alert:
    """One alert, and a service and a node in trouble."""
    one = certificate(described, days=12)
    service = described.service(described.node(), certificate=one)
    alerts.tell(described.project, timezone.now())
    Message.objects.all().delete()
    Service.objects.filter(pk=service.pk).update(trouble_since=START, trouble="The unit failed (exit-code).")
    Node.objects.update(trouble_since=START, trouble="No answer.")
    return Alert.objects.get()


def hours_pass(clock: Traveller, hours: int) -> None:
    for _ in range(hours):
        clock.shift(HOUR)
        write_digests()
        write_digests()


def test_it_comes_once_a_day_at_its_hour_with_everything_that_is_open(
    bob_wants: User, opened: Alert, clock: Traveller
) -> None:
    hours_pass(clock, 1)
    assert not Message.objects.exists()
    hours_pass(clock, 50)
    mails = list(Message.objects.order_by("pk"))
    assert [(mail.subject, mail.address, mail.created_at.hour) for mail in mails] == [
        ("ffsweb: 3 things are open", "bob@example.org", 7)
    ] * 3
    assert [mail.created_at.date() - START.date() for mail in mails] == [DAY * 0, DAY, DAY * 2]
    for words in (
        "14 days",
        "nobody looks after it yet",
        "The unit failed",
        "node-a",
        "No answer.",
        "/account/digest/",
    ):
        assert words in mails[0].text
        assert words in mails[0].html


def test_nothing_is_sent_when_nothing_is_open_or_all_of_it_is_snoozed(
    bob_wants: User, opened: Alert, clock: Traveller
) -> None:
    Service.objects.update(trouble_since=None)
    Node.objects.update(trouble_since=None)
    Alert.objects.update(snoozed_until=START + 2 * DAY)
    hours_pass(clock, 40)
    assert not Message.objects.exists()
    hours_pass(clock, 24)
    assert [mail.subject for mail in Message.objects.all()] == ["ffsweb: 1 thing is open"]


def test_it_is_made_up_for_on_the_same_day_and_not_for_days_before(
    bob_wants: User, opened: Alert, clock: Traveller
) -> None:
    clock.shift(5 * DAY + 12 * HOUR)
    hours_pass(clock, 1)
    assert Message.objects.count() == 1


@pytest.mark.parametrize("how", ["removed", "viewer", "deactivated", "no address", "never"])
def test_who_left_or_does_not_want_it_gets_none(bob_wants: User, opened: Alert, clock: Traveller, how: str) -> None:
    mine = Membership.objects.filter(user=bob_wants)
    if how == "removed":
        mine.delete()
    elif how == "viewer":
        mine.update(role=Role.VIEWER)
    elif how == "never":
        services.choose_digest(None, actor=bob_wants)
    else:
        User.objects.filter(pk=bob_wants.pk).update(
            **({"email": ""} if how == "no address" else {"is_active": False})
        )
    hours_pass(clock, 24)
    assert not Message.objects.exists()


def test_a_project_sends_one_to_its_listed_addresses(opened: Alert, project: Project, clock: Traveller) -> None:
    other = Project.objects.create(name="other")
    for name in (project, other):
        ListedAddress.objects.create(project=name, address=f"{name}@example.org")
        Digest.objects.create(project=name, hour=6)
    hours_pass(clock, 20)
    mail = Message.objects.get()
    assert (mail.address, mail.subject) == ("serbest@example.org", "serbest: 3 things are open")
    assert "/projects/serbest/certificates/alerts/" in mail.text


def test_another_hour_on_the_same_day_sends_no_second_one(bob_wants: User, opened: Alert, clock: Traveller) -> None:
    hours_pass(clock, 3)
    services.choose_digest(9, actor=bob_wants)
    hours_pass(clock, 10)
    assert Message.objects.count() == 1
    services.choose_digest(None, actor=bob_wants)
    services.choose_digest(3, actor=bob_wants)  # its hour is over today
    hours_pass(clock, 4)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clocks_at_once_write_one(bob_wants: User, opened: Alert, clock: Traveller) -> None:
    clock.shift(4 * HOUR)
    results = at_once(*[lambda: digest.send_due(timezone.now())] * 4)
    assert sorted(map(str, results)) == ["0", "0", "0", "1"]
    assert Message.objects.count() == 1


def test_a_fault_in_between_is_made_up_for_at_the_next_tick(
    bob_wants: User, opened: Alert, clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.shift(4 * HOUR)
    with monkeypatch.context() as patched:
        patched.setattr(digest, "queue", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_digests()
    write_digests()
    assert Message.objects.count() == 1


def test_it_is_chosen_on_a_page_of_ones_own(visit: Visit, bob: User, carol: User) -> None:
    page = visit(bob).get("/account/digest/").content.decode()
    assert_well_made(page)
    assert "(serbest)" in page
    assert "no e-mail address" in page
    assert visit(bob).post("/account/digest/", {"hour": "24"}).status_code == 422
    assert visit(bob).post("/account/digest/", {"hour": "7"}).status_code == 303
    assert Digest.objects.get().hour == 7
    assert '<option value="7" selected>' in visit(bob).get("/account/digest/").content.decode()
    assert visit(bob).post("/account/digest/", {"hour": ""}).status_code == 303
    assert not Digest.objects.exists()
    assert "of no project" in visit(carol).get("/account/digest/").content.decode()
    assert AuditEvent.objects.filter(action="notify.digest").count() == 2


def test_that_of_a_project_is_chosen_by_its_admins(visit: Visit, alice: User, bob: User, carol: User) -> None:
    address = "/projects/serbest/notifications/"
    assert visit(bob).post(f"{address}digest/", {"hour": "7"}).status_code == 403
    assert visit(alice).post(f"{address}digest/", {"hour": "x"}).status_code == 422
    assert "Not wanted" in visit(carol).get(address).content.decode()
    assert visit(alice).post(f"{address}digest/", {"hour": "7"}).status_code == 303
    assert "at 7:00 UTC" in visit(carol).get(address).content.decode()
    assert_well_made(visit(alice).get(address).content.decode())
