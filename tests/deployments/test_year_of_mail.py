"""A year of certificates, with a week in which the dashboard is down and another in which the mail server is: exactly
the mails that the levels say arrive at a real mail server, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from time_machine import Traveller

from certificates.models import Certificate
from certificates.services import gap, renewals
from certificates.tasks import look
from deployments.models import Served, Service
from deployments.tasks import watch_served
from ffsweb.accounts.models import Membership, Role, User
from ffsweb.notify.models import ListedAddress, Message, Muted
from ffsweb.notify.tasks import send
from tests.certificates import material
from tests.deployments.facts import node_facts, read, service_facts
from tests.deployments.fleet import Fleet
from tests.notify.conftest import enter
from tests.notify.mailserver import MailServer, free_port

DAY = timedelta(days=1)
START = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
DASHBOARD_AWAY = range(100, 107)
SERVER_AWAY = range(200, 207)
OTHER = "b" * 64
TO = ["alice@example.org", "bob@example.org", "pager@example.org"]
EXPECTED = [
    (0, "certificate expired expired on 2026-12-22"),
    # The half of six days is three, of 29 days 14.5, of 40 days 20.
    (13, "certificate six expires in 3 days"),
    (15, "certificate six expires in less than a day"),
    (16, "certificate six expired on 2027-01-17"),
    (25, "certificate twenty-nine expires in 14 days"),
    (32, "certificate twenty-nine expires in 7 days"),
    (36, "certificate twenty-nine expires in 3 days, and 1 more"),  # forty, in 14 days
    (38, "certificate twenty-nine expires in less than a day"),
    (39, "certificate twenty-nine expired on 2027-02-09"),
    (43, "certificate forty expires in 7 days"),
    (47, "certificate forty expires in 3 days"),
    (49, "certificate forty expires in less than a day"),
    (50, "certificate forty expired on 2027-02-20"),
    (51, "api@node-a serves another certificate than it should"),
    (53, "api@node-a serves the right certificate again"),
    (91, "certificate ends-while-down expires in 13 days"),
    (96, "certificate nears-while-down expires in 13 days"),
    (98, "certificate ends-while-down expires in 6 days"),
    # The dashboard was away from day 100 on: of each the worst alone.
    (107, "certificate ends-while-down expired on 2027-04-15, and 1 more"),  # the other one, in 3 days
    (107, "certificates were not looked at for 7 days"),
    (109, "certificate nears-while-down expires in less than a day"),
    (110, "certificate nears-while-down expired on 2027-04-20"),
    (180, "certificate while-mail-is-away expires in 30 days"),
    (196, "certificate while-mail-is-away expires in 14 days"),
    # The mail server was away from day 200 on: what was written on day 203 comes late, and comes.
    (207, "certificate while-mail-is-away expires in 3 days"),
    (207, "certificate while-mail-is-away expires in 7 days"),
    (209, "certificate while-mail-is-away expires in less than a day"),
    (210, "certificate while-mail-is-away expired on 2027-07-30"),
    # Renewed three times, and not once more.
    (241, "certificate robot was not renewed and expires in 29 days"),
    (263, "certificate robot expires in 7 days"),
    (267, "certificate robot expires in 3 days"),
    (269, "certificate robot expires in less than a day"),
    (270, "certificate robot expired on 2027-09-28"),
    # The same of an application that renews its own.
    (301, "the certificate of shop@node-a was not renewed and expires in 29 days"),
    (323, "the certificate of shop@node-a expires in 7 days"),
    (327, "the certificate of shop@node-a expires in 3 days"),
    (329, "the certificate of shop@node-a expires in less than a day"),
    (330, "the certificate of shop@node-a expired on 2027-11-27"),
]


class Year:
    """The clock, the installation, and what arrived: ``(day, address, subject)``."""

    def __init__(self, clock: Traveller, fleet: Fleet) -> None:
        self.clock, self.fleet = clock, fleet
        self.port = free_port()
        self.server: MailServer | None = MailServer(self.port)
        self.arrived: list[tuple[int, str, str]] = []
        self.message_ids: list[str] = []
        self.minute = fleet.project.pk % 6 * 10  # when it is looked at
        self.serves: dict[int, Callable[[int], tuple[str, float]]] = {}
        enter(self.port)

    def pass_by(self, events: Iterable[tuple[int, Callable[[], object]]], days: int = 365) -> None:
        """Let the days pass; ``events`` happen before the look of their day."""
        waiting = sorted(events, key=lambda event: event[0])
        for day in range(days):
            # Some seconds after midnight also where the minute is none: what is left of a day is less than a day.
            self.clock.move_to(START + day * DAY + timedelta(minutes=self.minute, seconds=30))
            while waiting and waiting[0][0] <= day:
                waiting.pop(0)[1]()
            self._mail_server(away=day in SERVER_AWAY)
            if day not in DASHBOARD_AWAY:
                self._tick(day)
                self.clock.shift(DAY / 2)
                gap.note(datetime.now(UTC))  # as every look does; the looks themselves are daily, to be quick
                send()

    def _tick(self, day: int) -> None:
        for key, serves in self.serves.items():
            fingerprint, left = serves(day)
            seen: dict[str, Any] = {"at": datetime.now(UTC), "port": 443, "fingerprint": fingerprint, "error": ""}
            seen |= {"not_after": START + (day + left) * DAY, "not_before": START + (day + left - 90) * DAY}
            Served.objects.update_or_create(service_id=key, defaults=seen)
        for _ in range(1 + (day % 5 == 0)):  # two clocks do no more than one
            look()
            watch_served()
            send()
        self._receive(day)

    def _receive(self, day: int) -> None:
        if self.server is not None:
            for address, mail in self.server.taken[len(self.arrived) :]:
                self.arrived.append((day, address.lower(), mail["Subject"].strip().removeprefix("serbest: ")))
                self.message_ids.append(mail["Message-ID"])

    def _mail_server(self, *, away: bool) -> None:
        if away and self.server is not None:
            assert len(self.server.taken) == len(self.arrived)
            self.server.close()
            self.server, self.before = None, self.server.taken
        elif not away and self.server is None:
            self.server = MailServer(self.port)
            self.server.taken = self.before

    def certificate(self, name: str, begins: float, life: float) -> Certificate:
        """One of the inventory that lives for ``life`` days from day ``begins`` on."""
        found: Certificate = self.fleet.certificate(material.issue(name, names=(name,)))
        start = START + begins * DAY
        Certificate.objects.filter(pk=found.pk).update(label=name, not_before=start, not_after=start + life * DAY)
        found.refresh_from_db()
        return found

    def service(self, name: str, **fields: Any) -> Service:
        """A live service on the one node; its certificate is on the node."""
        port = {"host": 443 + Service.objects.count(), "container": 8443, "protocol": "tcp"}
        node = self.fleet.project.nodes.first() or self.fleet.node()
        service = self.fleet.service(node, name, ports=[port], **fields)
        release = self.fleet.project.releases.first() or self.fleet.release(self.fleet.described_image())
        Service.objects.filter(pk=service.pk).update(live_release=release)
        facts = {
            each.name: service_facts(release, certificate=each.certificate.version if each.certificate else None)
            for each in Service.objects.filter(node=node)
        }
        read(node, node_facts(facts))
        return service

    def close(self) -> None:
        if self.server is not None:
            self.server.close()


@pytest.fixture
def year(transactional_db: None) -> Iterator[Year]:
    with time_machine.travel(START, tick=False) as clock:
        fleet = Fleet()
        User.objects.filter(pk=fleet.alice.pk).update(email="alice@example.org")
        roles = {"bob": Role.OPERATOR, "carol": Role.VIEWER, "dave": Role.OPERATOR, "eve": Role.ADMIN, "frank": None}
        for name, role in roles.items():
            user = User.objects.create_user(name, email=f"{name}@example.org", is_active=name != "eve")
            if role:
                Membership.objects.create(project=fleet.project, user=user, role=role)
            if name == "dave":
                Muted.objects.create(project=fleet.project, user=user, kind="certificate")
                Muted.objects.create(project=fleet.project, user=user, kind="certificate-gap")
        ListedAddress.objects.create(project=fleet.project, address="pager@example.org")
        ListedAddress.objects.create(project=fleet.project, address="Bob@example.org")  # the same mailbox once more
        found = Year(clock, fleet)
        try:
            yield found
        finally:
            found.close()


def robot(year: Year) -> list[tuple[int, Callable[[], object]]]:
    """A machine renews a certificate of 90 days every 60 days, until it stops to on day 240."""
    latest: list[Certificate] = []

    def renew(day: int) -> None:
        old = latest[-1] if latest else None
        new = year.certificate("robot", day, 90)
        Certificate.objects.filter(pk=new.pk).update(replaces=old)
        if old is None:
            renewals.mark(certificate=new, automatic=True, renew_by=None, actor=year.fleet.alice)
        else:
            Certificate.objects.filter(pk=new.pk).update(automatic=True)
        latest.append(new)

    return [(day, partial(renew, day)) for day in (0, 60, 120, 180)]


@pytest.mark.timeout(300)
def test_a_year_of_mail(year: Year) -> None:
    lasting = year.certificate("lasting", 0, 3650)
    proxied, own = year.service("api", certificate=lasting), year.service("shop", own_renewal="machine")
    # One look at a rotation on day 30, and three days of something else from day 50 on.
    year.serves[proxied.pk] = lambda day: (OTHER if day == 30 or 50 <= day < 53 else lasting.fingerprint, 3000)
    # The application renews its own every 60 days, and stops to on day 300.
    year.serves[own.pk] = lambda day: (f"{min(day // 60, 4):064x}", 90 - (day - min(day // 60, 4) * 60))
    made = partial(partial, year.certificate)
    year.pass_by(
        [
            (0, made("expired", -60, 50)),
            (10, made("forty", 10, 40)),
            (10, made("twenty-nine", 10, 29)),
            (10, made("six", 10, 6)),
            (60, made("ends-while-down", 60, 44.5)),
            (60, made("nears-while-down", 60, 49.5)),
            (150, made("while-mail-is-away", 150, 60)),
            *robot(year),
        ]
    )
    told = sorted({(day, subject) for day, _, subject in year.arrived})
    assert told == EXPECTED
    for day, subject in told:
        assert sorted(address for at, address, text in year.arrived if (at, text) == (day, subject)) == TO
    assert len(year.arrived) == len(told) * len(TO)
    assert len(set(year.message_ids)) == len(year.message_ids)
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}
