"""A service that serves another certificate than it should, or that nobody can look at, is mailed once, and once when
it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from time_machine import Traveller, travel

from certificates.models import Alert, Certificate
from certificates.services import alerts
from certificates.tasks import forget
from deployments.models import Served, ServedWatch, Service
from deployments.services import served_watch
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.notify.models import ListedAddress, Message
from ffsweb.notify.outbox import forget_old
from ffsweb.operations.models import Hold, Operation
from tests.certificates.material import issue
from tests.deployments.facts import node_facts, read, service_facts
from tests.support.threads import at_once

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALERTS = "/projects/serbest/certificates/alerts/"
OTHER = "b" * 64


@pytest.fixture(autouse=True)
def listed(project: Project) -> ListedAddress:
    return ListedAddress.objects.create(project=project, address="pager@example.org")


@pytest.fixture
def clock() -> Iterator[Traveller]:
    with travel(timezone.now().replace(minute=0, second=0, microsecond=0), tick=False) as coordinates:
        alerts.look(timezone.now())
        yield coordinates


@pytest.fixture
def www(described: Described, clock: Traveller) -> Service:
    return live(described, "www")


def live(described: Described, name: str) -> Service:
    """A service whose node has the inventory's certificate."""
    node = described.project.nodes.first() or described.node()
    certificate = Certificate.objects.first() or described.certificate(issue("tls", names=("www.example.org",)))
    port = {"host": 443 + Service.objects.count(), "container": 8443, "protocol": "tcp"}
    service = described.service(node, name, certificate=certificate, ports=[port])
    release = described.project.releases.first() or described.release(described.described_image())
    Service.objects.filter(pk=service.pk).update(live_release=release)
    facts = {
        row.name: service_facts(release, certificate=certificate.version, certs=[certificate.version])
        for row in Service.objects.filter(node=node)
    }
    read(node, node_facts(facts))
    service.refresh_from_db()
    return service


def serves(service: Service, fingerprint: str = "", error: str = "") -> None:
    """A look sees ``fingerprint``, the right one, or nothing."""
    certificate = service.certificate
    assert certificate is not None
    found = "" if error else fingerprint or certificate.fingerprint
    Served.objects.update_or_create(
        service=service,
        defaults={
            "at": timezone.now(),
            "port": 443 if found else 0,
            "fingerprint": found,
            "not_after": certificate.not_after,
            "error": error,
        },
    )


def look_for(clock: Traveller, span: timedelta, *services: Service, fingerprint: str = "", error: str = "") -> None:
    """The dashboard looks every ten minutes of ``span``; every two hours, if that is long, to be quick."""
    pause = 10 * MINUTE if span <= 2 * HOUR else HOUR if span <= DAY else 2 * HOUR
    for _ in range(span // pause):
        clock.shift(pause)
        for service in services:
            serves(service, fingerprint, error)
        tick()


def tick() -> None:
    alerts.look(timezone.now())
    served_watch.watch(timezone.now())


def subjects() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("subject", flat=True))


def test_a_mismatch_that_lasts_is_told_once_and_once_when_it_is_over(www: Service, clock: Traveller) -> None:
    look_for(clock, HOUR, www)
    look_for(clock, 30 * MINUTE, www, fingerprint=OTHER)
    assert subjects() == []
    look_for(clock, 2 * DAY, www, fingerprint=OTHER)
    assert subjects() == ["serbest: www@node-a serves another certificate than it should"]
    mail = Message.objects.get()
    for words in ("does not keep for it", "it should serve tls", "restart it", www.get_absolute_url(), "since "):
        assert words in mail.text, words
        assert words in mail.html, words
    look_for(clock, HOUR, www)
    assert subjects()[1:] == ["serbest: www@node-a serves the right certificate again"]
    look_for(clock, HOUR, www, fingerprint=OTHER)
    assert len(subjects()) == 3, "another episode"
    assert [alert.episode for alert in Alert.objects.order_by("pk")] == [1, 2]


def test_something_in_front_that_lasts_is_told(www: Service, clock: Traveller) -> None:
    own = www.certificate
    assert own is not None
    for _ in range(6):
        clock.shift(10 * MINUTE)
        serves(www, OTHER)
        Served.objects.update(node_at=timezone.now(), node_port=443, node_fingerprint=own.fingerprint)
        tick()
    assert subjects() == ["serbest: www@node-a serves another certificate than it should"]
    assert "something answers in between" in Message.objects.get().text


def test_services_that_are_wrong_together_come_in_one_mail(
    www: Service, described: Described, clock: Traveller
) -> None:
    look_for(clock, HOUR, www, live(described, "api"), fingerprint=OTHER)
    assert subjects() == ["serbest: api@node-a serves another certificate than it should, and 1 more"]
    assert "www@node-a serves another" in Message.objects.get().text
    assert ALERTS in Message.objects.get().text


def test_what_one_look_saw_alarms_nobody(www: Service, clock: Traveller) -> None:
    for _ in range(10):
        look_for(clock, 20 * MINUTE, www, fingerprint=OTHER)
        look_for(clock, 10 * MINUTE, www)
    assert subjects() == []


def test_a_rotation_at_work_alarms_nobody(www: Service, clock: Traveller) -> None:
    operation = Operation.objects.create(project=www.project, kind="deploy", title="Rotate", state="running")
    look_for(clock, 20 * MINUTE, www, fingerprint=OTHER)
    hold = Hold.objects.create(operation=operation, resource=www.resource)
    look_for(clock, 2 * HOUR, www, fingerprint=OTHER)
    hold.delete()
    look_for(clock, 20 * MINUTE, www, fingerprint=OTHER)
    assert subjects() == []
    look_for(clock, 20 * MINUTE, www, fingerprint=OTHER)
    assert len(subjects()) == 1
    Hold.objects.create(operation=operation, resource=www.resource)
    look_for(clock, HOUR, www, fingerprint=OTHER)
    assert len(subjects()) == 1, "what was told is not over because somebody works on it"


def test_a_certificate_that_was_chosen_and_not_deployed_is_told_after_a_day(
    www: Service, described: Described, clock: Traveller
) -> None:
    old = www.certificate
    assert old is not None
    new = described.certificate(issue("new", names=("www.example.org",)))
    Service.objects.filter(pk=www.pk).update(certificate=new)
    look_for(clock, 23 * HOUR, www, fingerprint=old.fingerprint)
    assert subjects() == []
    look_for(clock, 2 * HOUR, www, fingerprint=old.fingerprint)
    assert "next deploy or rotation" in Message.objects.get().text


def test_one_that_nobody_can_look_at_is_told_after_a_day(www: Service, clock: Traveller) -> None:
    look_for(clock, HOUR, www)
    look_for(clock, 23 * HOUR, www, error="port 443 did not answer.")
    assert subjects() == []
    look_for(clock, 2 * DAY, www, error="port 443 did not answer.")
    assert subjects() == ["serbest: www@node-a could not be looked at for a day"]
    assert "port 443 did not answer" in Message.objects.get().text
    look_for(clock, HOUR, www)
    assert subjects()[1:] == ["serbest: www@node-a can be looked at again"]


def test_a_poll_that_stands_still_is_told_though_nothing_failed(www: Service, clock: Traveller) -> None:
    serves(www)
    for _ in range(26):
        clock.shift(HOUR)
        tick()
    assert subjects() == ["serbest: www@node-a could not be looked at for a day"]
    assert "long ago" in Message.objects.get().text


def test_a_node_that_cannot_be_read_does_not_end_a_mismatch(www: Service, clock: Traveller) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    read(www.node, error="No answer.")
    look_for(clock, 2 * HOUR, www, error="port 443 did not answer.")
    assert len(subjects()) == 1


def test_a_dashboard_that_was_away_judges_by_what_it_sees_itself(www: Service, clock: Traveller) -> None:
    look_for(clock, 20 * MINUTE, www, fingerprint=OTHER)
    clock.shift(7 * DAY)
    served_watch.watch(timezone.now())  # before anything was looked at
    tick()
    look_for(clock, 10 * MINUTE, www)
    assert subjects() == ["serbest: certificates were not looked at for 7 days"]


def test_a_mismatch_that_was_told_is_neither_over_nor_told_again_after_a_downtime(
    www: Service, clock: Traveller
) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    clock.shift(13 * HOUR)
    tick()
    look_for(clock, 2 * HOUR, www, fingerprint=OTHER)
    assert len(subjects()) == 1


@pytest.mark.parametrize("how", ["stopped", "removed"])
def test_a_service_that_is_not_there_any_more_ends_it(www: Service, clock: Traveller, how: str) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    if how == "stopped":
        Service.objects.filter(pk=www.pk).update(stopped_at=timezone.now())
    else:
        www.delete()
    clock.shift(HOUR)
    tick()
    assert subjects()[1:] == ["serbest: www@node-a is not compared any more"]


def test_one_without_a_tcp_port_is_not_missed(www: Service, clock: Traveller) -> None:
    Service.objects.filter(pk=www.pk).update(ports=[{"host": 53, "container": 53, "protocol": "udp"}])
    look_for(clock, DAY, www, error="it publishes no TCP port.")
    assert subjects() == []


def test_snoozed_and_acknowledged_are_on_the_page_and_audited(
    visit: Visit, bob: User, carol: User, www: Service, clock: Traveller
) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    alert = Alert.objects.get()
    page = visit(carol).get(ALERTS).content.decode()
    assert_well_made(page)
    assert "www@node-a</a>" in page
    assert "not the same" in page
    assert visit(carol).post(f"{ALERTS}{alert.pk}/acknowledge/", {"rung": alert.rung}).status_code == 403
    assert visit(bob).post(f"{ALERTS}{alert.pk}/acknowledge/", {"rung": alert.rung}).status_code == 303
    assert visit(bob).post(f"{ALERTS}{alert.pk}/snooze/", {"rung": alert.rung, "days": "7"}).status_code == 303
    assert AuditEvent.objects.get(action="certificate.acknowledge").target == "www@node-a"
    look_for(clock, HOUR, www)
    look_for(clock, HOUR, www, fingerprint=OTHER)
    assert len(subjects()) == 2, "it came back while it was snoozed"
    assert "Over" in visit(bob).get(ALERTS).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_clocks_at_once_tell_once(www: Service, clock: Traveller) -> None:
    look_for(clock, 30 * MINUTE, www, fingerprint=OTHER)
    clock.shift(10 * MINUTE)
    serves(www, OTHER)
    results = at_once(*[tick] * 4)
    assert [each for each in results if each] == []
    assert subjects() == ["serbest: www@node-a serves another certificate than it should"]
    assert ServedWatch.objects.count() == 1
    assert isinstance(Message.objects.get().created_at, datetime)


def own(www: Service, renewal: str, *, keep: bool = False) -> None:
    """Somebody said that the application has a certificate of its own."""
    fields = {} if keep else {"certificate": None}
    Service.objects.filter(pk=www.pk).update(own_renewal=renewal, **fields)
    if not keep:
        Certificate.objects.all().delete()


def serves_own(service: Service, fingerprint: str, left: timedelta) -> None:
    end = timezone.now() + left
    life = {"not_before": end - 30 * DAY, "not_after": end}
    fields = {"at": timezone.now(), "port": 443, "fingerprint": fingerprint, "error": "", **life}
    Served.objects.update_or_create(service=service, defaults=fields)


def days_pass(clock: Traveller, days: int, service: Service, fingerprint: str, left: timedelta) -> None:
    """Every twelve hours a look, and a tick of the clock in the project's part of the hour."""
    clock.move_to(timezone.now().replace(minute=service.project_id % alerts.SLOTS * 10))
    for hour in range(0, days * 24, 12):
        clock.shift(12 * HOUR)
        serves_own(service, fingerprint, left - (hour + 12) * HOUR)
        tick()


def test_a_certificate_that_the_application_renews_is_silent_until_that_is_overdue(
    www: Service, clock: Traveller
) -> None:
    own(www, "machine")
    days_pass(clock, 19, www, "1" * 64, 30 * DAY)
    days_pass(clock, 19, www, "2" * 64, 30 * DAY)
    assert subjects() == []
    days_pass(clock, 12, www, "2" * 64, 11 * DAY)
    assert [text.removeprefix("serbest: the certificate of www@node-a ") for text in subjects()] == [
        "was not renewed and expires in 8 days",
        "expires in 7 days",
        "expires in 3 days",
        "expires in 1 day",
        f"expired on {timezone.now() - DAY:%Y-%m-%d}",
    ]
    assert "say so on the service's form" in Message.objects.order_by("pk")[0].text
    days_pass(clock, 1, www, "3" * 64, 30 * DAY)
    assert subjects()[5:] == ["serbest: the certificate of www@node-a is not served any more"]


def test_one_that_somebody_renews_by_hand_is_told_like_one_of_the_inventory(www: Service, clock: Traveller) -> None:
    own(www, "people")
    days_pass(clock, 17, www, "1" * 64, 31 * DAY)
    assert [text.split("node-a ")[1] for text in subjects()] == ["expires in 14 days"]
    own(www, "")
    tick()
    assert "is not served any more" in subjects()[-1]


def test_an_application_with_its_own_certificate_is_no_mismatch_if_somebody_said_so(
    www: Service, clock: Traveller
) -> None:
    own(www, "machine", keep=True)
    look_for(clock, DAY, www, fingerprint=OTHER)
    assert subjects() == []


def test_one_that_was_replaced_and_is_still_served_is_told_of(
    www: Service, described: Described, clock: Traveller
) -> None:
    old = www.certificate
    assert old is not None
    new = described.certificate(issue("new", names=("www.example.org",)))
    Certificate.objects.filter(pk=new.pk).update(replaces=old)
    Service.objects.filter(pk=www.pk).update(certificate=new)
    own(www, "people", keep=True)
    days_pass(clock, 2, www, old.fingerprint, 8.5 * DAY)
    told = "serbest: the certificate of www@node-a expires in {} days"
    assert subjects()[:1] == [told.format(8)]
    assert told.format(7) in "".join(subjects()), "not twice as often because the dashboard has it too"


def test_all_that_is_open_stands_on_one_page_for_those_who_may_see_it(
    visit: Visit, carol: User, mallory: User, www: Service, clock: Traveller
) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    page = visit(carol).get("/certificates/alerts/").content.decode()
    assert_well_made(page)
    assert "www@node-a</a>" in page
    assert f'href="{ALERTS}"' in page
    other = visit(mallory).get("/certificates/alerts/").content.decode()
    assert "www@node-a" not in other
    assert "Nothing to tell" in other


def test_the_page_says_what_became_of_the_mails_without_their_addresses(
    visit: Visit, carol: User, www: Service, clock: Traveller
) -> None:
    ListedAddress.objects.create(project=www.project, address="second@example.org")
    look_for(clock, HOUR, www, fingerprint=OTHER)
    Message.objects.filter(address="second@example.org").update(state="sent")
    page = visit(carol).get(ALERTS).content.decode()
    assert_well_made(page)
    assert page.count("serbest: www@node-a serves another certificate than it should") == 1
    assert "sent to 1 address, waiting for 1 address" in page
    assert "second@example.org" not in page


def test_what_was_over_long_ago_is_forgotten_and_then_told_as_new(www: Service, clock: Traveller) -> None:
    look_for(clock, HOUR, www, fingerprint=OTHER)
    forget()
    assert Alert.objects.count() == 1, "it is open"
    look_for(clock, HOUR, www)
    clock.shift(421 * DAY)
    forget()
    forget_old()
    assert not Alert.objects.exists()
    look_for(clock, HOUR, www, fingerprint=OTHER)
    assert Message.objects.filter(subject__contains="serves another").count() == 1


def test_the_page_says_so_if_nobody_is_mailed(
    visit: Visit, carol: User, www: Service, clock: Traveller, listed: ListedAddress
) -> None:
    assert "Nobody is mailed" not in visit(carol).get(ALERTS).content.decode()
    listed.delete()
    page = visit(carol).get(ALERTS).content.decode()
    assert "Nobody is mailed" in page
    assert_well_made(page)
