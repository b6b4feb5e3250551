"""People are mailed once of what nears its end, grouped by project, and say that they look after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.core.expiry import Rung
from certificates.models import Alert, Certificate
from certificates.services import alerts
from certificates.services.inventory import upload_certificate
from certificates.tasks import look
from deployments.models import Service
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.notify.models import ListedAddress, Message
from tests.certificates import material
from tests.support.threads import at_once

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ALERTS = "/projects/serbest/certificates/alerts/"


@pytest.fixture(autouse=True)
def listed(project: Project) -> ListedAddress:
    return ListedAddress.objects.create(project=project, address="pager@example.org")


def certificate(described: Described, name: str = "www.example.org", days: float = 100) -> Certificate:
    """One that lives for 100 days, of which ``days`` are left."""
    found: Certificate = described.certificate(material.issue(name, names=(name,)))
    end = timezone.now() + days * DAY
    Certificate.objects.filter(pk=found.pk).update(label=name, not_before=end - 100 * DAY, not_after=end)
    found.refresh_from_db()
    return found


def replaced(described: Described, old: Certificate) -> Certificate:
    issued = material.issue(old.label, names=(old.label,))
    new, _ = upload_certificate(
        project=described.project,
        actor=described.alice,
        label="",
        chain=issued.pem,
        key=issued.key_pem(),
        replaces=old,
    )
    return new


def subjects() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("subject", flat=True))


def test_each_rung_is_mailed_once_with_what_to_do(described: Described) -> None:
    one = certificate(described, days=100)
    described.service(described.node(), certificate=one)
    end = one.not_after
    for left in (40, 30, 29, 13, 13, 6.5, 2.5, 0.9, 0.5, -0.1, -5):
        alerts.tell(described.project, end - left * DAY)
    assert subjects() == [
        "serbest: certificate www.example.org expires in 30 days",
        "serbest: certificate www.example.org expires in 13 days",
        "serbest: certificate www.example.org expires in 6 days",
        "serbest: certificate www.example.org expires in 2 days",
        "serbest: certificate www.example.org expires in less than a day",
        f"serbest: certificate www.example.org expired on {end:%Y-%m-%d}",
    ]
    mail = Message.objects.latest("pk")
    for words in ("used by www@node-a", one.fingerprint[:16], "(Replace)", one.get_absolute_url()):
        assert words in mail.text
        assert words in mail.html
    assert mail.kind == "certificate"


def test_a_project_gets_one_mail_for_all_and_others_get_none(described: Described, root: User) -> None:
    certificate(described, "b.example.org", 12)
    certificate(described, "a.example.org", 2)
    certificate(described, "c.example.org", 60)
    other = Project.objects.create(name="other")
    ListedAddress.objects.create(project=other, address="other@example.org")
    Membership.objects.create(project=other, user=root, role=Role.ADMIN)
    Described(other, root).certificate(material.issue("quiet.example.org"))
    for project in (described.project, other):
        alerts.tell(project, timezone.now())
    mail = Message.objects.get()
    assert mail.subject == "serbest: certificate a.example.org expires in 2 days, and 1 more"
    assert mail.address == "pager@example.org"
    assert "b.example.org" in mail.text
    assert "c.example.org" not in mail.text
    assert ALERTS in mail.text


def test_after_a_downtime_only_the_worst_is_told(described: Described) -> None:
    one = certificate(described)
    alerts.tell(described.project, one.not_after - 29 * DAY)
    alerts.tell(described.project, one.not_after + DAY)
    assert len(subjects()) == 2
    assert "expired on" in subjects()[1]


def test_that_it_was_replaced_is_told_when_nothing_uses_the_old_one(described: Described) -> None:
    old = certificate(described, days=12)
    service = described.service(described.node(), certificate=old)
    now = timezone.now()
    alerts.tell(described.project, now)
    new = replaced(described, old)
    alerts.tell(described.project, now)
    assert len(subjects()) == 1
    alerts.tell(described.project, now + 6 * DAY)
    assert "The newer certificate is here" in Message.objects.latest("pk").text
    Service.objects.filter(pk=service.pk).update(certificate=new)
    for _ in range(2):
        alerts.tell(described.project, now + 6 * DAY)
    assert subjects()[2:] == ["serbest: certificate www.example.org was replaced"]
    assert not Alert.objects.get().is_open


def test_nothing_is_told_of_one_that_was_replaced_in_time(described: Described) -> None:
    old = certificate(described, days=31)
    replaced(described, old)  # for 90 days
    alerts.tell(described.project, old.not_after - DAY)
    assert subjects() == []
    assert not Alert.objects.exists()


def test_what_is_told_is_kept_with_its_mail_or_neither_is(described: Described, monkeypatch: Any) -> None:
    certificate(described, days=5)

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(alerts, "queue", breaks)
        with pytest.raises(RuntimeError):
            alerts.tell(described.project, timezone.now())
    assert not Alert.objects.exists()
    assert alerts.tell(described.project, timezone.now()) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_tells(described: Described) -> None:
    certificate(described, days=5)
    certificate(described, "other.example.org", days=1.5)
    results = at_once(*[lambda: alerts.tell(described.project, timezone.now())] * 4)
    told = [each for each in results if isinstance(each, int)]
    assert len(told) == 4, results
    assert sum(told) == 2
    assert Alert.objects.count() == 2
    assert Message.objects.count() == len([number for number in told if number])


def test_every_project_has_its_moment_in_each_hour(described: Described, time_machine: Any) -> None:
    certificate(described, days=5)
    hour = timezone.now().replace(minute=0, second=30)
    for minute in range(0, 60, 5):
        time_machine.move_to(hour + timedelta(minutes=minute), tick=False)
        look()
    assert len(subjects()) == 1


def told_one(described: Described, days: float = 12) -> Alert:
    one = certificate(described, days=days)
    alerts.tell(described.project, timezone.now())
    return Alert.objects.get(certificate=one)


def page(visit: Visit, person: User) -> str:
    answer = visit(person).get(ALERTS)
    text: str = answer.content.decode()
    assert_well_made(text)
    return text


def test_an_operator_looks_after_it_and_it_is_quiet_until_the_last_day(
    visit: Visit, bob: User, carol: User, described: Described
) -> None:
    alert = told_one(described)
    address = f"{ALERTS}{alert.pk}/acknowledge/"
    assert "by nobody yet" in page(visit, carol)
    assert "I look after it" not in page(visit, carol)
    assert visit(carol).post(address, {"rung": alert.rung}).status_code == 403
    assert visit(bob).post(address, {"rung": alert.rung}).status_code == 303
    assert "by bob" in page(visit, bob)
    end = alert.certificate.not_after
    for left in (6, 2, 0.9):
        alerts.tell(described.project, end - left * DAY)
    assert subjects()[1:] == ["serbest: certificate www.example.org expires in less than a day"]
    event = AuditEvent.objects.get(action="certificate.acknowledge")
    assert event.detail["rung"] == "14 days"


def test_a_snooze_is_kept_and_then_the_worst_is_told(visit: Visit, bob: User, described: Described) -> None:
    alert = told_one(described, days=12)
    now = timezone.now()
    assert visit(bob).post(f"{ALERTS}{alert.pk}/snooze/", {"rung": alert.rung, "days": "7"}).status_code == 303
    assert "silent until" in page(visit, bob)
    alerts.tell(described.project, now + 6 * DAY)
    assert len(subjects()) == 1
    alerts.tell(described.project, now + 9.5 * DAY)
    assert subjects()[1:] == ["serbest: certificate www.example.org expires in 2 days"]
    for days in ("", "2", "x", "365"):
        answer = visit(bob).post(f"{ALERTS}{alert.pk}/snooze/", {"rung": alert.rung, "days": days})
        assert answer.status_code == 422


def test_what_went_further_meanwhile_is_not_acknowledged(visit: Visit, bob: User, described: Described) -> None:
    alert = told_one(described, days=12)
    alerts.tell(described.project, timezone.now() + 6 * DAY)
    answer = visit(bob).post(f"{ALERTS}{alert.pk}/acknowledge/", {"rung": alert.rung}, follow=True)
    assert b"It changed meanwhile" in answer.content
    alert.refresh_from_db()
    assert (alert.acknowledged_at, alert.rung) == (None, Rung.DAYS_7)


def test_the_alerts_of_another_project_are_not_there(visit: Visit, bob: User, root: User) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(project=other, user=root, role=Role.ADMIN)
    one = certificate(Described(other, root), days=5)
    alerts.tell(other, timezone.now())
    alert = Alert.objects.get(certificate=one)
    for verb in ("acknowledge", "snooze"):
        answer = visit(bob).post(f"{ALERTS}{alert.pk}/{verb}/", {"rung": alert.rung, "days": "7"})
        assert answer.status_code == 404
    assert "www.example.org" not in page(visit, bob)


def test_hostile_names_go_into_no_header(described: Described) -> None:
    one = certificate(described, days=5)
    Certificate.objects.filter(pk=one.pk).update(label="x\r\nBcc: all@example.org", names=["<script>"])
    alerts.tell(described.project, timezone.now())
    mail = Message.objects.get()
    assert "\n" not in mail.subject
    assert "<script>" not in mail.html
    assert isinstance(mail.created_at, datetime)
