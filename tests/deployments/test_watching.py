"""Readings tell of trouble once, on the pages and by mail, and of its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.execution import readings
from deployments.execution.watching import watch
from deployments.models import HostKey, Node, Reading, Service
from deployments.models.board import fleet_board
from ffsweb.accounts.models import Membership, Role, User
from ffsweb.notify.models import Message, Muted
from ffsweb.operations.models import Hold
from ffsweb.operations.services import Target, enqueue
from ffsweb.remote.fake import HOST_KEY
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.deployments.facts import node_facts, service_facts, taken
from tests.deployments.fleet import Fleet
from tests.deployments.push_site import Site
from tests.support.threads import at_once

BEGAN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NOTHING_LISTENS = "Nothing listens at 192.0.2.1 port 22."


class Watched:
    """One service whose release 1 was proven live, read once a minute."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.node = fleet.node()
        HostKey.objects.create(node=self.node, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.row = fleet.service(self.node)
        self.release = fleet.release(fleet.described_image())
        Service.objects.update(live_release=self.release)
        fleet.alice.email = "alice@example.org"
        fleet.alice.save()
        self.minute = 0

    def read(self, times: int = 1, *, error: str = "", **changes: Any) -> None:
        for _ in range(times):
            facts = node_facts({"www": service_facts(self.release) | changes})
            at = BEGAN + timedelta(minutes=self.minute)
            assert readings.store(taken(self.node, facts, at=at, error=error)) is not None
            self.minute += 1

    @property
    def service(self) -> Service:
        return Service.objects.get()

    def mails(self) -> list[str]:
        return list(Message.objects.order_by("pk").values_list("subject", flat=True))

    def state(self) -> tuple[str, datetime | None]:
        (row,) = fleet_board(self.fleet.alice)
        return row.state, row.since

    def hold(self, resource: str) -> None:
        enqueue(
            kind="read", project=self.fleet.project, actor=None, title="A deploy", params={},
            targets=[Target(resource, "www")], holds=[resource],
        )  # fmt: skip


@pytest.fixture
def watched(fleet: Fleet) -> Watched:
    return Watched(fleet)


def test_a_crash_loop_after_a_success_is_told_of_once_and_so_is_its_end(watched: Watched) -> None:
    watched.read(3)
    watched.read(restarts=4)
    assert watched.mails() == ["serbest: www@node-a is degraded"]
    mail = Message.objects.get()
    assert (mail.address, mail.kind) == ("alice@example.org", "service")
    assert "It was restarted 4 times between two readings." in mail.text
    assert "2026-11-24 08:03:00 UTC" in mail.text
    assert watched.row.get_absolute_url() in mail.text
    assert watched.state() == ("degraded", BEGAN + timedelta(minutes=3))
    watched.read(9, restarts=40)
    assert watched.state()[0] == "degraded", "active at this moment, and still in a loop"
    assert len(watched.mails()) == 1
    watched.read(20, restarts=40)
    assert watched.mails() == ["serbest: www@node-a is degraded", "serbest: www@node-a is well again"]
    assert watched.state() == ("live", None)
    watched.read(2, restarts=50)
    assert watched.mails()[2:] == ["serbest: www@node-a is degraded"], "another episode"


def test_one_restart_is_told_to_nobody(watched: Watched) -> None:
    watched.read(2)
    watched.read(active="activating", sub="auto-restart", restarts=1)
    watched.read(5, restarts=1)
    assert (watched.mails(), watched.service.trouble_since) == ([], None)


def test_webhooks_are_told_of_trouble_and_of_its_end(watched: Watched) -> None:
    project = watched.fleet.project
    names = ["service.degraded", "service.recovered", "node.unreachable", "node.recovered"]
    Endpoint.objects.create(project=project, url="https://hooks.example.org/", events=names, sealed_secret=b"")
    watched.read(3)
    watched.read(restarts=4)
    watched.read(20, restarts=4)
    watched.read(12, error=NOTHING_LISTENS)
    watched.read(4, restarts=4)
    told = [json.loads(body) for body in Delivery.objects.order_by("pk").values_list("body", flat=True)]
    assert [each["type"] for each in told] == names
    assert told[0]["data"]["service"] == "www" and told[0]["data"]["reason"].startswith("It was restarted 4 times")
    assert told[2]["data"]["node"] == "node-a" and "service" not in told[2]["data"]


def test_what_an_operator_stopped_is_not_degraded(watched: Watched) -> None:
    watched.read(2)
    Service.objects.update(stopped_at=BEGAN)
    watched.read(5, active="inactive", sub="dead", container=None)
    assert (watched.mails(), watched.state()) == ([], ("stopped", BEGAN))
    watched.read(2)
    assert watched.service.stopped_at is None, "somebody started it"
    watched.read(2, active="inactive", sub="dead", container=None)
    assert watched.mails() == ["serbest: www@node-a is degraded"]
    assert "nobody stopped it from the dashboard" in watched.service.trouble


def test_stopping_a_degraded_service_ends_its_trouble_without_a_word_of_recovery(watched: Watched) -> None:
    watched.read(3, active="failed", sub="failed", result="exit-code")
    Service.objects.update(stopped_at=BEGAN)
    watched.read(1, active="inactive", sub="dead", container=None)
    assert watched.state()[0] == "stopped"
    assert watched.mails() == ["serbest: www@node-a is degraded"]


@pytest.mark.parametrize("whole_node", [True, False])
def test_what_an_operation_holds_is_not_judged(watched: Watched, *, whole_node: bool) -> None:
    watched.read(2)
    watched.hold(watched.node.resource if whole_node else watched.row.resource)
    watched.read(20, active="failed", sub="failed", restarts=30)
    assert (watched.mails(), watched.service.trouble_since) == ([], None)
    Hold.objects.all().delete()
    watched.read(1, restarts=30)
    assert watched.mails() == [], "what happened meanwhile is the operation's to tell"
    watched.read(2, active="failed", sub="failed", restarts=30)
    assert len(watched.mails()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"deployed": False}, {"pending": {"op": "1-2", "deadline": 2_000_000_000}}],
    ids=["not yet", "pending"],
)
def test_what_was_not_proven_is_not_judged(watched: Watched, changes: dict[str, Any]) -> None:
    watched.read(5, active="failed", sub="failed", **changes)
    assert watched.mails() == []


def test_another_release_than_the_proven_one_is_trouble(watched: Watched) -> None:
    watched.read(2, release=99)
    assert watched.service.trouble == "Release 99 runs, and release 1 was proven."


def test_a_node_that_cannot_be_read_for_ten_minutes_is_told_of_once(watched: Watched) -> None:
    watched.read(2)
    watched.read(10, error=NOTHING_LISTENS)
    assert watched.mails() == []
    watched.read(30, error=NOTHING_LISTENS)
    assert watched.mails() == ["serbest: node-a is unreachable"]
    mail = Message.objects.get()
    assert NOTHING_LISTENS in mail.text
    assert mail.kind == "node"
    assert watched.state() == ("unreachable", BEGAN + timedelta(minutes=2))
    watched.read(5)
    assert watched.mails() == ["serbest: node-a is unreachable", "serbest: node-a is reachable again"]
    assert watched.state()[0] == "live"


def test_a_machine_that_was_never_contacted_is_not_missed(watched: Watched) -> None:
    HostKey.objects.update(kind=HostKey.Kind.BOOTSTRAP)
    watched.read(30, error=NOTHING_LISTENS)
    assert watched.mails() == []


def test_a_node_that_speaks_another_protocol_can_be_reached(watched: Watched) -> None:
    watched.read(1)
    for minute in range(1, 30):
        at = BEGAN + timedelta(minutes=minute)
        readings.store(readings.Taken(watched.node.pk, at, raw={"protocol": 9}, error="Another protocol."))
    assert watched.mails() == []


def test_hostile_words_of_a_node_are_one_line_in_the_subject_and_text_in_the_mail(watched: Watched) -> None:
    odd = "x\r\nBcc: eve@example.org\r\n\r\n<script>\u202e\x1b[31m\0\ud800" + "y" * 5000
    watched.read(12, error=odd)
    mail = Message.objects.get()
    assert "\n" not in mail.subject
    assert "<script" not in mail.html
    assert "\x1b" not in mail.text + mail.html
    watched.read(3, active="failed", sub="failed", status_text=odd)
    assert "eve@example.org" not in Message.objects.get(kind="service").text, "what a service writes is not mailed"


def test_who_switched_it_off_is_not_mailed(watched: Watched) -> None:
    bob = User.objects.create_user("bob", email="bob@example.org")
    Membership.objects.create(user=bob, project=watched.fleet.project, role=Role.OPERATOR)
    Muted.objects.create(user=watched.fleet.alice, project=watched.fleet.project, kind="service")
    watched.read(3, active="failed", sub="failed")
    assert [mail.address for mail in Message.objects.all()] == ["bob@example.org"]


def test_of_two_readings_at_once_one_tells(watched: Watched) -> None:
    watched.read(1)
    found = taken(
        watched.node, node_facts({"www": service_facts(watched.release, restarts=9)}), at=BEGAN + timedelta(minutes=1)
    )
    results = at_once(*[lambda: watch(watched.node.pk, found.at, found.facts, "")] * 2)
    assert not [each for each in results if isinstance(each, Exception)]
    assert len(watched.mails()) == 1


def test_a_quiet_reading_writes_nothing_beside_itself(watched: Watched, django_assert_max_num_queries: Any) -> None:
    watched.read(3)
    before = watched.service.watch_revision
    with django_assert_max_num_queries(14):
        watched.read(1)
    assert watched.service.watch_revision == before


def test_stop_and_start_from_the_dashboard_are_remembered(site: Site) -> None:
    site.fleet.control(site.service, "stop")
    assert Service.objects.get().stopped_at is not None
    site.fleet.control(site.service, "start")
    assert Service.objects.get().stopped_at is None


def test_an_overtaken_reading_counts_for_nothing(watched: Watched) -> None:
    watched.read(5)
    watched.minute = 1
    watched.read(1, restarts=50)
    assert watched.mails() == []
    assert Reading.objects.count() == 6
    assert Node.objects.get().trouble == ""
