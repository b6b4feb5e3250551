"""The fleet board's states: what the last reading says of a service, and "unknown" where it says nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments.models import Node, Reading, Release, Service
from deployments.models.board import FRESH, STATES, BoardRow, fleet_board, service_state
from ffsweb.accounts.models import User
from tests.deployments.facts import node_facts, read, service_facts
from tests.deployments.fleet import Fleet


class Row:
    """One service, of which a release was proven to be live."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.node: Node = fleet.node()
        self.service: Service = fleet.service(self.node)
        self.release: Release = fleet.release(fleet.described_image())

    def prove(self) -> None:
        Service.objects.filter(pk=self.service.pk).update(live_release=self.release)

    def state(self, *, newest: int = 0) -> BoardRow:
        service = Service.objects.select_related("live_release", "certificate").get(pk=self.service.pk)
        return service_state(service, Reading.objects.filter(node=self.node).first(), newest=newest)


@pytest.fixture
def row(fleet: Fleet) -> Row:
    return Row(fleet)


def test_of_a_node_that_was_never_read_nothing_is_said(row: Row) -> None:
    row.prove()
    found = row.state()
    assert (found.state, found.reason, found.old) == ("unknown", "The node was never read.", True)


def test_a_node_that_does_not_answer_is_unreachable_whatever_ran_before(row: Row) -> None:
    row.prove()
    read(row.node, node_facts({"www": service_facts(row.release)}), ago=60)
    read(row.node, error="Nothing listens there.")
    found = row.state()
    assert (found.state, found.reason) == ("unreachable", "Nothing listens there.")


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "live", ""),
        ({"deployed": False, "active": "inactive"}, "never_deployed", "first deploy"),
        ({"active": "inactive", "sub": "dead", "result": ""}, "stopped", "not active"),
        ({"active": "deactivating", "sub": "stop-sigterm", "result": "timeout"}, "stopped", "timeout"),
        ({"active": "failed", "sub": "failed", "result": "exit-code"}, "degraded", "exit-code"),
        ({"active": "activating", "sub": "auto-restart", "result": ""}, "degraded", "auto-restart"),
    ],
)
def test_the_state_is_what_systemd_says_of_the_unit(row: Row, changes: dict[str, Any], state: str, said: str) -> None:
    row.prove()
    read(row.node, node_facts({"www": service_facts(row.release) | changes}))
    found = row.state()
    assert found.state == state
    assert said in found.reason


def test_a_release_that_was_not_proven_is_not_called_live(row: Row) -> None:
    pending = {"op": "1-2", "deadline": 2_000_000_000}
    read(row.node, node_facts({"www": service_facts(row.release, pending=pending)}))
    found = row.state()
    assert (found.state, found.reason) == ("degraded", "Release 1 runs, which the dashboard did not prove.")


def test_a_service_that_is_behind_the_newest_live_release_says_by_how_much(row: Row) -> None:
    row.prove()
    read(row.node, node_facts({"www": service_facts(row.release)}))
    found = row.state(newest=4)
    assert (found.state, found.skew) == ("behind", 3)
    assert "3 older" in found.reason


def test_a_reading_becomes_old_after_five_minutes(row: Row) -> None:
    row.prove()
    stored = read(row.node, node_facts({"www": service_facts(row.release)}))
    service = Service.objects.get()
    assert not service_state(service, stored, newest=1, now=stored.taken_at + FRESH).old
    assert service_state(service, stored, newest=1, now=stored.taken_at + FRESH + timedelta(seconds=1)).old


def test_a_service_that_the_node_does_not_know_waits_for_its_first_deploy(row: Row) -> None:
    read(row.node, node_facts({}))
    assert row.state().state == "never_deployed"


def test_the_board_shows_the_newest_reading_and_filters_by_state_and_words(row: Row) -> None:
    row.prove()
    read(row.node, error="Nothing listens there.", ago=100)
    read(row.node, node_facts({"www": service_facts(row.release)}))
    other = row.fleet.service(row.fleet.node("node-b", "192.0.2.2"), "api")
    alice = row.fleet.alice
    assert [(str(found.service), found.state) for found in fleet_board(alice)] == [
        ("www@node-a", "live"),
        ("api@node-b", "unknown"),
    ]
    assert [found.service for found in fleet_board(alice, state="unknown")] == [other]
    assert [found.service for found in fleet_board(alice, search="node-b api")] == [other]
    assert fleet_board(alice, search="node-a api") == []
    assert fleet_board(User.objects.create_user("mallory")) == []


def test_every_state_has_words(row: Row) -> None:
    read(row.node, error="x")
    assert row.state().label == STATES["unreachable"] == "Unreachable"


def test_a_reading_by_a_clock_that_is_ahead_is_not_old(row: Row) -> None:
    read(row.node, ago=-30)
    assert not row.state().old
    assert timezone.now() < Reading.objects.get().taken_at
