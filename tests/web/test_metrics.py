"""What Prometheus is told, and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from certificates.models import Certificate
from deployments.models import Reading, Served
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation
from tests.certificates.material import issue

from .conftest import Visit
from .described import Described
from .test_served_pages import served

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-enough-characters"

Scrape = Callable[[], dict[str, Metric]]


@pytest.fixture
def scrape(settings: Settings) -> Scrape:
    settings.METRICS_TOKEN = TOKEN

    def ask() -> dict[str, Metric]:
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
        return {family.name: family for family in text_string_to_metric_families(answer.content.decode())}

    return ask


def values(family: Metric, *labels: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in family.samples}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_nobody_reads_them_without_the_token(settings: Settings, header: str) -> None:
    for token in (TOKEN, ""):
        settings.METRICS_TOKEN = token
        answer = Client().get("/metrics", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert b"ffsweb_" not in answer.content


def test_being_logged_in_opens_nothing(visit: Visit, root: User) -> None:
    assert visit(root).get("/metrics").status_code == 401


def test_chosen_addresses_need_no_token(settings: Settings) -> None:
    settings.METRICS_ADDRESSES = ["192.0.2.0/24", "2001:db8::/32"]
    for address, status in (("192.0.2.9", 200), ("2001:db8::9", 200), ("198.51.100.9", 401), ("", 401), ("x", 401)):
        assert Client().get("/metrics", REMOTE_ADDR=address).status_code == status, address


def test_certificates_have_their_end_their_users_and_whether_they_were_replaced(
    scrape: Scrape, described: Described
) -> None:
    old, new = described.certificate(issue("old")), described.certificate(issue("new"))
    label = 'a "label"\nof two \\ lines'
    Certificate.objects.filter(pk=new.pk).update(replaces=old, label=label)
    described.service(described.node(), certificate=old)
    told = scrape()
    ends = values(told["ffsweb_certificate_not_after_timestamp_seconds"], "fingerprint")
    assert ends == {(row.fingerprint,): row.not_after.timestamp() for row in (old, new)}
    used = told["ffsweb_certificate_services"]
    assert values(used, "fingerprint") == {(old.fingerprint,): 1, (new.fingerprint,): 0}
    assert ("serbest", label) in values(used, "project", "certificate")
    assert values(told["ffsweb_certificate_replaced"], "fingerprint")[(old.fingerprint,)] == 1


def test_services_have_their_state_and_the_age_of_the_look(scrape: Scrape, described: Described) -> None:
    served(described, "b" * 64)
    own = Certificate.objects.get()
    Served.objects.update(node_at=timezone.now(), node_port=443, node_fingerprint=own.fingerprint)
    told = scrape()
    states = values(told["ffsweb_service_certificate_state"], "project", "node", "service", "state")
    assert {key[3]: value for key, value in states.items()} == {"match": 0, "mismatch": 0, "front": 1, "unknown": 0}
    assert {key[:3] for key in states} == {("serbest", "node-a", "www")}
    prints = values(told["ffsweb_service_certificate_info"], "place", "fingerprint")
    assert set(prints) == {
        ("local", own.fingerprint),
        ("server", own.fingerprint),
        ("node", own.fingerprint),
        ("dashboard", "b" * 64),
    }
    looks = values(told["ffsweb_service_certificate_looked_timestamp_seconds"], "side")
    assert looks[("node",)] - looks[("dashboard",)] == pytest.approx(60, abs=5)
    ends = values(told["ffsweb_service_certificate_not_after_timestamp_seconds"], "place")
    assert ends[("local",)] == own.not_after.timestamp()


def test_readings_have_their_age_and_whether_they_were_answered(scrape: Scrape, described: Described) -> None:
    node, _never = described.node(), described.node("node-b")
    at = timezone.now()
    Reading.objects.create(node=node, taken_at=at - timedelta(hours=1), facts={"protocol": 2})
    Reading.objects.create(node=node, taken_at=at, error="No answer.")
    told = scrape()
    assert values(told["ffsweb_node_readable"], "node") == {("node-a",): 0}
    taken = values(told["ffsweb_node_reading_timestamp_seconds"], "node")
    assert taken[("node-a",)] == pytest.approx(at.timestamp(), abs=0.01)


def test_operations_have_their_queue_and_lost_leases(scrape: Scrape, project: Project) -> None:
    for state, minutes in (("queued", 0), ("running", -1), ("running", 1), ("succeeded", 0)):
        made = Operation.objects.create(project=project, kind="test", title="A test", state=state)
        if minutes:
            Operation.objects.filter(pk=made.pk).update(lease_until=Now() + timedelta(minutes=minutes))
    told = scrape()
    assert values(told["ffsweb_operations"], "state") == {("queued",): 1, ("running",): 2, ("parked",): 0}
    assert values(told["ffsweb_operations_leases_lost"]) == {(): 1}
    assert values(told["ffsweb_operations_claimable"]) == {(): 2}
    assert values(told["ffsweb_operations_claimable_oldest_timestamp_seconds"])[()] <= timezone.now().timestamp()
    assert values(told["ffsweb_build_info"])


def test_many_services_take_no_more_queries_than_one(scrape: Scrape, described: Described) -> None:
    served(described)
    scrape()
    with CaptureQueriesContext(connection) as one:
        scrape()
    for number in range(4):
        served(described, name=f"more-{number}")
    with CaptureQueriesContext(connection) as many:
        scrape()
    assert len(many) == len(one)
