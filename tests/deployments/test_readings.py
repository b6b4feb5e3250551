"""Readings: taken when due, kept in number, and the one place from which the rows learn what runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments.execution import readings
from deployments.models import HostKey, Node, Reading, Release, Service
from deployments.services import nodes
from ffsweb.operations.models import Operation
from ffsweb.operations.services import Target, enqueue
from tests.deployments.facts import fingerprint, node_facts, read, service_facts, taken
from tests.deployments.fleet import Fleet, log_of


@pytest.fixture
def node(fleet: Fleet) -> Node:
    return fleet.node()


def known(node: Node) -> HostKey:
    return HostKey.objects.create(
        node=node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 AAAA", fingerprint="SHA256:a"
    )


def due_names() -> list[str]:
    return sorted(str(each) for each in readings.due(timezone.now()))


def test_a_node_is_due_when_it_was_never_read_and_again_after_about_a_minute(node: Node) -> None:
    known(node)
    assert due_names() == ["node-a"]
    read(node, ago=10)
    assert due_names() == []
    Reading.objects.update(taken_at=timezone.now() - readings.EVERY * (1 - readings.JITTER) + timedelta(seconds=1))
    assert due_names() == []
    Reading.objects.update(taken_at=timezone.now() - readings.EVERY * (1 + readings.JITTER))
    assert due_names() == ["node-a"]


def test_the_newest_reading_decides_whether_a_node_is_due(node: Node) -> None:
    known(node)
    read(node, ago=5)
    read(node, ago=5000)
    assert due_names() == []


def test_nodes_are_spread_and_not_all_read_at_the_same_moment(node: Node) -> None:
    known(node)
    read(node, ago=readings.EVERY.total_seconds())
    assert {bool(due_names()) for _ in range(200)} == {True, False}


def test_a_node_without_a_host_key_that_counts_is_not_connected_to(fleet: Fleet, node: Node) -> None:
    assert due_names() == []
    fleet.machine_file(node)
    assert due_names() == ["node-a"]
    HostKey.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert due_names() == []


def test_a_failed_reading_is_kept_with_its_reason_and_counts_as_read(node: Node) -> None:
    known(node)
    stored = read(node, error="Nothing listens there.")
    assert (stored.error, stored.facts, stored.parsed()) == ("Nothing listens there.", {}, None)
    assert due_names() == []


def test_the_last_fifty_readings_of_each_node_are_kept(fleet: Fleet, node: Node) -> None:
    other = fleet.node("node-b", "192.0.2.2")
    read(other)
    stored = [read(node, ago=age) for age in range(readings.KEEP + 7, 0, -1)]
    assert set(Reading.objects.filter(node=node)) == set(stored[-readings.KEEP :])
    assert Reading.objects.filter(node=other).count() == 1


def test_a_reading_of_a_node_that_was_removed_meanwhile_is_dropped(fleet: Fleet, node: Node) -> None:
    late = taken(node)
    nodes.remove_node(node=node, actor=fleet.alice)
    assert readings.store(late) is None
    assert not Reading.objects.exists()


def test_reading_a_node_that_refuses_connections_fails_with_one_message(fleet: Fleet, node: Node) -> None:
    known(node).delete()
    fleet.machine_file(node)
    Node.objects.filter(pk=node.pk).update(address="127.0.0.1", ssh_port=9)
    ended = fleet.read(Node.objects.get())
    assert ended.state == "failed"
    assert ended.message.startswith("node-a could not be read. ")
    assert "127.0.0.1" in ended.message
    assert log_of(ended).count("127.0.0.1") >= 1
    assert Reading.objects.get().error in ended.message


# What a reading says of what runs.


class Pair:
    """A service and two releases of it."""

    def __init__(self, fleet: Fleet, node: Node) -> None:
        self.fleet, self.node = fleet, node
        self.service = fleet.service(node)
        self.first = fleet.release(fleet.described_image("one"))
        self.second = fleet.release(fleet.described_image("two"))
        Service.objects.update(live_release=self.first, desired_release=self.first)

    def live(self) -> Release | None:
        return Service.objects.get(pk=self.service.pk).live_release

    def hold(self) -> Operation:
        return enqueue(
            kind="read",
            project=self.fleet.project,
            actor=self.fleet.alice,
            title="A deploy",
            params={},
            targets=[Target(self.service.resource, "www")],
            holds=[self.service.resource],
        )


@pytest.fixture
def pair(fleet: Fleet, node: Node) -> Pair:
    return Pair(fleet, node)


def test_the_row_agrees_with_a_later_reading_of_what_a_node_settled_on(pair: Pair) -> None:
    read(pair.node, node_facts({"www": service_facts(pair.second)}))
    assert pair.live() == pair.second
    read(pair.node, node_facts({"www": service_facts(pair.first)}))
    assert pair.live() == pair.first


@pytest.mark.parametrize(
    "changes",
    [
        {"pending": {"op": "1-2", "deadline": 2_000_000_000}},
        {"active": "activating", "sub": "auto-restart"},
        {"container": None},
        {"image_id": fingerprint("other")},
        {"project": "other"},
        {"release": 99},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_settled_or_not_ours_changes_no_row(pair: Pair, changes: dict[str, Any]) -> None:
    facts = service_facts(pair.second)
    if "image_id" in changes:
        facts["container"]["image_id"] = changes["image_id"]
    read(pair.node, node_facts({"www": facts | changes}))
    assert pair.live() == pair.first


def test_while_an_operation_holds_the_service_only_its_own_last_reading_counts(pair: Pair) -> None:
    pair.hold()
    read(pair.node, node_facts({"www": service_facts(pair.second)}))
    assert pair.live() == pair.first


def test_a_reading_that_was_taken_before_a_newer_one_changes_no_row(pair: Pair) -> None:
    read(pair.node, node_facts({"www": service_facts(pair.first)}))
    read(pair.node, node_facts({"www": service_facts(pair.second)}), ago=30)
    assert pair.live() == pair.first


def test_a_silent_node_changes_no_row(pair: Pair) -> None:
    read(pair.node, error="Nothing listens there.")
    assert pair.live() == pair.first
