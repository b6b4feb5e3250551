"""What Prometheus is told, and who may ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from certificates.models import Certificate
from deployments.models import Node, OwedRotation, Reading, Served, Service
from ffsweb.accounts.models import Project, User
from ffsweb.notify.models import Message
from ffsweb.operations import claims, ending, services, slots
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import Operation, Question, Wish
from ffsweb.operations.states import State
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
        made = Operation.objects.create(project=project, kind="deploy", title="A test", state=state)
        if minutes:
            Operation.objects.filter(pk=made.pk).update(lease_until=Now() + timedelta(minutes=minutes))
    told = scrape()
    assert busy(told) == {("deploy", "queued"): 1, ("deploy", "running"): 2}
    assert values(told["ffsweb_operations_leases_lost"]) == {(): 1}
    assert values(told["ffsweb_operations_leases_held"]) == {(): 1}
    assert 50 < values(told["ffsweb_operations_lease_left_seconds"])[()] <= 60
    assert values(told["ffsweb_operations_claimable"]) == {(): 2}
    assert values(told["ffsweb_operations_claimable_oldest_timestamp_seconds"])[()] <= timezone.now().timestamp()
    assert values(told["ffsweb_build_info"])
    assert values(told["ffsweb_migrations_missing"]) == {(): 0}


def busy(told: dict[str, Metric]) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in values(told["ffsweb_operations"], "kind", "state").items() if value}


def test_an_operation_that_waits_or_asks_is_told_from_one_that_is_only_queued_or_parked(
    scrape: Scrape, project: Project
) -> None:
    def make(state: str, **fields: object) -> Operation:
        return Operation.objects.create(project=project, kind="read", title="A test", state=state, **fields)

    make("parked")
    Question.objects.create(operation=make("parked"), name="q", text="Go on?", choices={"go": "Go"})
    Question.objects.create(operation=make("parked"), name="q", text="Go on?", choices={"go": "Go"}, answer="go")
    for resource in ("node:1", "node:2"):
        Wish.objects.create(
            operation=Operation.objects.filter(state="queued").first() or make("queued"), resource=resource
        )
    make("running", cancel_requested_at=timezone.now())
    Operation.objects.create(project=project, kind="of a newer version", title="A test")
    told = scrape()
    assert busy(told) == {
        ("read", "parked"): 2,
        ("read", "asked"): 1,
        ("read", "waiting"): 1,
        ("read", "cancelling"): 1,
        ("other", "queued"): 1,
    }
    oldest = values(told["ffsweb_operations_oldest_timestamp_seconds"], "state")
    assert set(oldest) == {("parked",), ("asked",), ("waiting",), ("cancelling",), ("queued",)}


def test_what_ended_is_counted_also_when_its_row_is_forgotten(scrape: Scrape, project: Project) -> None:
    def end(seconds: float | None, state: State) -> None:
        started = None if seconds is None else timezone.now() - timedelta(seconds=seconds)
        row = Operation.objects.create(
            project=project,
            kind="deploy",
            title="A test",
            state=State.QUEUED if seconds is None else State.RUNNING,
            started_at=started,
        )
        ending.finish(row, Outcome(state, "Done."))

    with transaction.atomic():
        for seconds, state in ((3, "succeeded"), (4, "succeeded"), (400, "failed"), (100_000, "succeeded")):
            end(seconds, State(state))
        end(None, State.CANCELLED)
    first = scrape()
    Operation.objects.all().delete()
    told = scrape()
    assert values(told["ffsweb_operations_ended"], "kind", "outcome") == values(
        first["ffsweb_operations_ended"], "kind", "outcome"
    )
    ended = values(told["ffsweb_operations_ended"], "kind", "outcome")
    assert {key[1]: value for key, value in ended.items() if value} == {"succeeded": 3, "failed": 1, "cancelled": 1}
    assert ("prune", "failed") in ended  # with nothing counted yet, so that the first one is an increase
    took = [
        sample for sample in told["ffsweb_operation_duration_seconds"].samples if sample.labels["kind"] == "deploy"
    ]
    buckets = {sample.labels["le"]: sample.value for sample in took if sample.name.endswith("_bucket")}
    assert [buckets[le] for le in ("1.0", "5.0", "300.0", "900.0", "14400.0", "+Inf")] == [0, 2, 2, 3, 3, 4]
    assert {sample.name[-5:]: sample.value for sample in took if "le" not in sample.labels} == {
        "count": 4,
        "s_sum": pytest.approx(100_407, abs=5),
    }


def test_takeovers_are_counted(scrape: Scrape, project: Project) -> None:
    for _ in range(2):
        row = Operation.objects.create(project=project, kind="deploy", title="A test", state="running")
        Operation.objects.filter(pk=row.pk).update(lease_until=Now() - timedelta(minutes=1))
        assert claims.claim(row.pk, holder="another") is not None
        assert claims.claim(row.pk, holder="a third") is None
    assert values(scrape()["ffsweb_operations_taken_over"], "kind")[("deploy",)] == 2


def test_a_tick_that_a_worker_was_given_is_seen(scrape: Scrape) -> None:
    assert "ffsweb_tick_timestamp_seconds" not in scrape()
    for _ in range(2):
        services.tick()
    assert values(scrape()["ffsweb_tick_timestamp_seconds"])[()] == pytest.approx(timezone.now().timestamp(), abs=5)


def test_nodes_say_whether_they_are_cordoned_unreachable_or_owed_something(
    scrape: Scrape, described: Described
) -> None:
    nodes = [described.node(name) for name in ("node-a", "node-b", "node-c", "node-d")]
    Node.objects.filter(pk=nodes[1].pk).update(cordoned_at=timezone.now(), trouble_since=timezone.now())
    OwedRotation.objects.create(node=nodes[2])
    told = values(scrape()["ffsweb_node_condition"], "node", "condition")
    assert len(told) == 12
    assert {key for key, value in told.items() if value} == {
        ("node-b", "cordoned"),
        ("node-b", "unreachable"),
        ("node-c", "owed"),
    }


def test_services_are_counted_by_their_state_and_those_that_are_not_well_are_named(
    scrape: Scrape, described: Described
) -> None:
    node = described.node()
    described.service(node)
    described.service(node, name="api")
    Reading.objects.create(node=node, taken_at=timezone.now(), error="No answer.")
    described.service(described.node("node-b"), name="new")
    told = scrape()
    numbers = {key[1]: value for key, value in values(told["ffsweb_services"], "project", "state").items() if value}
    assert numbers == {"unreachable": 2, "unknown": 1}
    assert values(told["ffsweb_service_unwell"], "node", "service", "state") == {
        ("node-a", "api", "unreachable"): 1,
        ("node-a", "www", "unreachable"): 1,
        ("node-b", "new", "unknown"): 1,
    }


def test_the_outbox_says_how_much_waits_since_when_and_what_was_given_up(scrape: Scrape) -> None:
    now = timezone.now()
    for number, (state, hours) in enumerate(
        (("queued", 3), ("queued", 1), ("sent", 9), ("given_up", 2), ("given_up", 30))
    ):
        Message.objects.create(
            kind="alert",
            key=f"key-{number}",
            address="alice@example.org",
            subject="S",
            text="T",
            html="H",
            created_at=now - timedelta(hours=hours),
            state=state,
            next_at=now,
            give_up_at=now,
            waits_for_server=hours == 1,
        )
    told = scrape()
    assert values(told["ffsweb_outbox_messages"]) == {(): 2}
    assert values(told["ffsweb_outbox_messages_waiting_for_server"]) == {(): 1}
    assert values(told["ffsweb_outbox_given_up"]) == {(): 1}
    oldest = values(told["ffsweb_outbox_oldest_timestamp_seconds"])[()]
    assert oldest == pytest.approx((now - timedelta(hours=3)).timestamp(), abs=1)


def test_this_process_says_what_it_streams_and_whether_it_reaches_the_broker(
    scrape: Scrape, settings: Settings
) -> None:
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock"
    slot = slots.take(1)
    assert slot is not None
    told = scrape()
    slot.release()
    assert values(told["ffsweb_log_streams"]) == {(): 1}
    assert values(told["ffsweb_broker_up"]) == {(): 0}
    assert "ffsweb_broker_messages" not in told
    assert 0 < values(told["ffsweb_data_free_bytes"])[()] <= values(told["ffsweb_data_size_bytes"])[()]
    assert values(told["ffsweb_image_store_bytes"]) == {(): 0}


def test_what_is_told_follows_the_rules_of_prometheus(scrape: Scrape, described: Described) -> None:
    served(described)
    for name, family in scrape().items():
        assert re.fullmatch(r"ffsweb_[a-z][a-z_]*[a-z]", name), name
        assert family.documentation.endswith((".", "?", "always 1.")), name
        assert family.type in {"gauge", "counter", "histogram"}, name
        assert not re.search(r"_(ms|minutes|hours|kilobytes|megabytes|count|sum|total)$", name), name
        names = {(sample.name, *sorted(sample.labels.items())) for sample in family.samples}
        assert len(names) == len(family.samples), name
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{name}_total"}
        for sample in family.samples:
            assert "id" not in sample.labels, name


MOST_QUERIES = 24


def test_a_thousand_services_take_no_more_queries_than_one(scrape: Scrape, described: Described) -> None:
    served(described)
    scrape()
    with CaptureQueriesContext(connection) as one:
        scrape()
    node = Node.objects.get()
    own = Service.objects.get()
    Service.objects.bulk_create(
        Service(project=own.project, node=node, name=f"more-{number}", certificate=own.certificate)
        for number in range(999)
    )
    with CaptureQueriesContext(connection) as many:
        told = scrape()
    assert len(many) == len(one) <= MOST_QUERIES
    assert len(told["ffsweb_service_certificate_state"].samples) == 4000
