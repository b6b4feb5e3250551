"""What receivers are told of certificates: the same as the mail says, once, and nothing of a key."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.models import Certificate
from certificates.services import alerts
from certificates.services.inventory import upload_certificate
from ffsweb.accounts.models import Project, User
from ffsweb.webhooks import sending
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.certificates import material

from .receiver import Receiver

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def added(
    project: Project, actor: User, name: str, end: datetime, replaces: Certificate | None = None
) -> Certificate:
    """A certificate that lives for 100 days, until ``end``."""
    made = material.issue(name, names=(name,))
    row, _ = upload_certificate(
        project=project, actor=actor, label=name, chain=made.pem, key=made.key_pem(), replaces=replaces
    )
    Certificate.objects.filter(pk=row.pk).update(not_before=end - 100 * DAY, not_after=end)
    row.refresh_from_db()
    return row


def posted(receiver: Receiver) -> list[Any]:
    """What came since the last time."""
    sending.send_due()
    found = [json.loads(each.body) for each in receiver.received]
    receiver.received.clear()
    return found


def test_what_nears_its_end_is_told_once_in_one_event_and_so_is_that_it_is_over(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver, now: datetime
) -> None:
    old = added(project, alice, "a.example.org", now + 12.5 * DAY)
    added(project, alice, "b.example.org", now - DAY)
    added(project, alice, "c.example.org", now + 90 * DAY)
    assert alerts.tell(project, now) == 2
    (value,) = posted(receiver)
    assert (value["type"], value["data"]["project"]) == ("certificate.alert", "serbest")
    assert value["data"]["url"].endswith("/projects/serbest/certificates/alerts/")
    told = {each["label"]: each for each in value["data"]["alerts"]}
    assert list(told) == ["certificate b.example.org", "certificate a.example.org"]
    for label, each in told.items():
        assert (each["kind"], each["over"]) == ("expiry", False)
        assert f"for {label.removeprefix('certificate ')}" in each["facts"]
    assert f"until {old.not_after:%Y-%m-%d}" in told["certificate a.example.org"]["facts"]

    alerts.tell(project, now)
    assert posted(receiver) == []
    added(project, alice, "a.example.org", now + 95 * DAY, replaces=old)
    alerts.tell(project, now)
    (value,) = posted(receiver)
    (only,) = value["data"]["alerts"]
    assert (only["label"], only["over"]) == ("certificate a.example.org", True)
    assert not Delivery.objects.filter(body__contains="PRIVATE").exists()


def test_nobody_is_told_of_other_projects_certificates(
    project: Project, alice: User, endpoint: Endpoint, receiver: Receiver, now: datetime
) -> None:
    other = Project.objects.create(name="other")
    added(other, alice, "a.example.org", now + DAY)
    assert alerts.tell(other, now) == 1
    assert posted(receiver) == []
