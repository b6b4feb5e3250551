"""A certificate that a machine renews is silent while that works; pages say how it goes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Alert, Certificate
from certificates.services import alerts, renewals
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.notify.models import ListedAddress, Message

from .conftest import Visit
from .described import Described
from .markup import assert_well_made
from .test_certificate_alerts import certificate, replaced, subjects

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def listed(project: Project) -> ListedAddress:
    return ListedAddress.objects.create(project=project, address="pager@example.org")


def automatic(described: Described, days: float = 100) -> Certificate:
    one = certificate(described, days=days)
    renewals.mark(certificate=one, automatic=True, renew_by=None, actor=described.alice)
    one.refresh_from_db()
    return one


def test_it_is_silent_until_overdue_then_told_and_then_the_last_days(described: Described) -> None:
    one = automatic(described)
    for left in (60, 40, 33.5, 33, 32, 31, 14, 8, 6.5, 5, 2, 0.5, -0.5, -3):
        alerts.tell(described.project, one.not_after - left * DAY)
    assert subjects() == [
        "serbest: certificate www.example.org was not renewed and expires in 32 days",
        "serbest: certificate www.example.org expires in 6 days",
        "serbest: certificate www.example.org expires in 2 days",
        "serbest: certificate www.example.org expires in less than a day",
        f"serbest: certificate www.example.org expired on {one.not_after:%Y-%m-%d}",
    ]
    mail = Message.objects.order_by("pk")[0]
    assert "a machine was to renew it by" in mail.text
    assert "See why the machine" in mail.text


def test_the_second_failure_is_told_and_that_it_works_again(described: Described, visit: Visit, bob: User) -> None:
    one = automatic(described, 90)
    page = f"{one.get_absolute_url()}renewal/"
    client = visit(bob)
    assert client.post(f"{page}failed/", {"reason": ""}).status_code == 422
    for at, said in enumerate(("no answer", "<b>refused</b>")):
        assert len(subjects()) == 0, at
        assert client.post(f"{page}failed/", {"reason": said}).status_code == 303
        alerts.tell(described.project, timezone.now())
    assert subjects() == ["serbest: certificate www.example.org was not renewed and expires in 90 days"]
    assert "that failed 2 times" in Message.objects.get().text
    assert "refused" not in Message.objects.get().text, "what a program said is not mailed"
    text = client.get(one.get_absolute_url()).content.decode()
    assert "failed 2 times" in text
    assert "&lt;b&gt;refused" in text
    assert_well_made(text)
    assert client.post(f"{page}anew/").status_code == 303
    alerts.tell(described.project, timezone.now())
    assert subjects()[1:] == ["serbest: certificate www.example.org is renewed by itself again"]
    assert not Alert.objects.get().is_open
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"certificate.renewal-failed", "certificate.renewal-count"} <= actions


def test_a_day_is_chosen_by_an_admin_and_has_to_lie_within_its_life(
    described: Described, visit: Visit, alice: User, bob: User
) -> None:
    one = certificate(described, days=90)
    address, day = f"{one.get_absolute_url()}renewal/", (one.not_after - 10 * DAY).date()
    assert visit(bob).post(address, {"by": "machine", "renew_by": str(day)}).status_code == 403
    for wrong in ("x", str(one.not_after.date() + DAY), "1999-01-01"):
        answer = visit(alice).post(address, {"by": "machine", "renew_by": wrong})
        assert answer.status_code == 422
        assert_well_made(answer.content.decode())
    assert visit(alice).post(address, {"by": "machine", "renew_by": str(day)}).status_code == 303
    one.refresh_from_db()
    assert (one.automatic, one.renewal_due.date()) == (True, day)
    assert f"renew it by {day}" in visit(bob).get(one.get_absolute_url()).content.decode()
    alerts.tell(described.project, one.not_after - 12 * DAY)
    assert subjects() == []
    alerts.tell(described.project, one.not_after - 8 * DAY)
    assert len(subjects()) == 1
    assert visit(alice).post(address, {"by": "people", "renew_by": ""}).status_code == 303
    one.refresh_from_db()
    assert (one.automatic, one.renew_by) == (False, None)


def test_the_one_that_replaces_it_is_marked_likewise_and_one_that_is_still_used_is_told_as_any_other(
    described: Described,
) -> None:
    old = automatic(described, 50)
    described.service(described.node(), certificate=old)
    new = replaced(described, old)
    assert new.automatic
    alerts.tell(described.project, old.not_after - 31 * DAY)
    assert subjects() == [], "it was renewed in time"
    alerts.tell(described.project, old.not_after - 29 * DAY)
    assert subjects() == ["serbest: certificate www.example.org expires in 29 days"]
    assert "rotate the services" in Message.objects.get().text
