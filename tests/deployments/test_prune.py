"""Nodes are pruned: by hand, or once a day where there is something to remove, and never under somebody's hands."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from deployments.core import layout
from deployments.core.program import Program
from deployments.execution import connection
from deployments.models import HostKey, Node, Proven, Release, Service
from deployments.models.proven import needed_on
from deployments.services import deploys, pruning, requests
from deployments.tasks import prune_nodes
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import services as operations
from ffsweb.operations.models import Hold, Operation
from ffsweb.operations.services import Busy
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.facts import node_facts, read, service_facts
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.simulated import SimulatedNode


class Site:
    """A node that had six releases, each proven one after the other; the sixth runs."""

    def __init__(self, fleet: Fleet, node: SimulatedNode) -> None:
        self.fleet, self.node = fleet, node
        self.row = fleet.node()
        HostKey.objects.create(node=self.row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.service = fleet.service(self.row)
        self.releases = [fleet.release(fleet.described_image(str(number))) for number in range(1, 7)]
        for release in self.releases:
            self.node.install(release)
            self.read()
        long_ago = timezone.now() - timedelta(days=3)
        Node.objects.update(created_at=long_ago)

    def read(self) -> None:
        ended = self.fleet.read(self.row)
        assert ended.state == "succeeded", ended.message

    def prune(self) -> Operation:
        return run(pruning.request_prune(node=self.row, actor=self.fleet.alice))

    @property
    def on_node(self) -> set[int]:
        return set(self.node.staged["www"])

    def images(self) -> set[int]:
        return {release.number for release in self.releases if release.image.image_id in self.node.images}


@pytest.fixture
def site(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Site:
    node = SimulatedNode()
    monkeypatch.setattr(connection, "connect", node.connect)
    return Site(fleet, node)


def test_what_runs_and_the_last_two_good_ones_stay(site: Site) -> None:
    assert [proof.release.number for proof in Proven.objects.all()] == [6, 5, 4, 3, 2, 1]
    ended = site.prune()
    assert ended.state == "succeeded", log_of(ended)
    assert (site.on_node, site.images()) == ({4, 5, 6}, {4, 5, 6})
    assert ended.message == "Removed from node-a: 3 images, 3 releases."
    assert ended.steps.get(name="prune www").evidence["kept"] == [4, 5, 6]
    assert site.prune().message == "There was nothing on node-a that is not needed."
    assert AuditEvent.objects.filter(action="operation.prune", target="node-a").count() == 2


def test_a_release_that_is_gone_back_to_counts_as_the_newest_proof(site: Site) -> None:
    site.node.install(site.releases[1])
    site.read()
    site.prune()
    assert site.on_node == {2, 5, 6}


def test_a_release_that_was_never_proven_is_not_gone_back_to(site: Site) -> None:
    Proven.objects.filter(release__number=5).delete()
    site.prune()
    assert site.on_node == {3, 4, 6}


def test_what_an_operation_is_to_bring_stays(site: Site) -> None:
    plan = deploys.preview(release=site.releases[0], services=[site.service], actor=site.fleet.alice)
    asked = deploys.request_deploy(plan=plan, actor=site.fleet.alice)
    facts = site.row.readings.latest().parsed()
    assert {need.release for need in needed_on(site.row, facts)["www"]} == {1, 4, 5, 6}
    operations.cancel(asked, actor=site.fleet.alice)
    assert {need.release for need in needed_on(site.row, facts)["www"]} == {4, 5, 6}


def test_another_protocol_is_not_talked_to(site: Site) -> None:
    site.node.program = Program(layout.PROTOCOL - 1, "0.0.9", "b" * 64)
    ended = site.prune()
    assert ended.state == "failed"
    assert "Nothing was removed: upgrade it on the node's page first." in ended.message
    assert site.on_node == {1, 2, 3, 4, 5, 6}


def test_a_lost_node_says_what_becomes_of_the_rest(site: Site) -> None:
    site.node.vanish()
    ended = site.prune()
    assert ended.state == "failed"
    assert "What is left goes the next time." in ended.message


# By the clock.


def asked() -> list[Operation]:
    return list(Operation.objects.filter(kind="prune"))


def test_the_clock_prunes_each_node_once_a_day_and_audits_what_it_removed(site: Site) -> None:
    prune_nodes()
    (operation,) = asked()
    assert operation.actor is None
    ended = run(operation)
    assert site.on_node == {4, 5, 6}
    event = AuditEvent.objects.get(action="node.prune")
    assert (event.actor_name, event.target) == ("ffsweb", "node-a")
    assert event.detail["removed"] == {"image": 3, "release": 3}
    prune_nodes()
    assert asked() == [ended]
    assert not AuditEvent.objects.filter(action="operation.prune").exists()


def test_where_there_is_nothing_to_remove_no_operation_is_made_and_it_is_looked_at_tomorrow(site: Site) -> None:
    site.prune()
    Operation.objects.all().delete()
    prune_nodes()
    assert asked() == []
    looked = Node.objects.get().pruned_at
    assert looked is not None
    prune_nodes()
    assert Node.objects.get().pruned_at == looked


def test_a_node_that_is_in_use_is_not_waited_for_and_comes_with_a_later_tick(site: Site) -> None:
    control = requests.request_control(service=site.service, verb="restart", actor=site.fleet.alice)
    prune_nodes()
    assert asked() == []
    with pytest.raises(Busy, match="www@node-a is in use"):
        pruning.request_prune(node=site.row, actor=site.fleet.alice)
    operations.cancel(control, actor=site.fleet.alice)
    prune_nodes()
    assert len(asked()) == 1
    assert Hold.objects.filter(resource=site.service.resource).exists()


@pytest.mark.parametrize("why", ["silent", "old reading", "protocol"])
def test_a_node_of_which_too_little_is_known_is_left_for_a_later_tick(site: Site, why: str) -> None:
    if why == "silent":
        read(site.row, error="Nothing listens there.")
    elif why == "old reading":
        site.row.readings.update(taken_at=timezone.now() - timedelta(hours=2))
    else:
        releases = {"releases": [1, 2, 3, 4, 5, 6]}
        read(site.row, node_facts({"www": service_facts(site.releases[5], **releases)}, protocol=layout.PROTOCOL - 1))
    prune_nodes()
    assert asked() == []
    assert Node.objects.get().pruned_at is None
    site.read()
    prune_nodes()
    assert len(asked()) == 1


def test_a_node_that_was_described_today_waits_for_its_time(site: Site) -> None:
    Node.objects.update(created_at=timezone.now())
    prune_nodes()
    assert asked() == []


def test_not_all_nodes_are_pruned_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 1)
    other = site.fleet.node("node-b", "192.0.2.2")
    Node.objects.update(created_at=timezone.now() - timedelta(days=3))
    site.fleet.service(other)
    release = site.releases[0]
    for row in (site.row, other):
        read(row, node_facts({"www": service_facts(release, releases=[1, 2, 3, 4, 5, 6])}))
    Service.objects.update(desired_release=None, live_release=None)
    Proven.objects.all().delete()
    prune_nodes()
    assert len(asked()) == 1
    prune_nodes()
    assert len(asked()) == 1
    operations.cancel(asked()[0], actor=site.fleet.alice)
    prune_nodes()
    assert len(asked()) == 2


def test_a_proof_is_written_once_for_each_release_with_what_the_unit_named(fleet: Fleet) -> None:
    node = fleet.node()
    service = fleet.service(node)
    release: Release = fleet.release(fleet.described_image())
    named = {"certificate": "c" * 64, "credentials": "v1"}
    read(node, node_facts({"www": service_facts(release, **named)}))
    first: datetime = Proven.objects.get().at
    Service.objects.update(live_release=None)
    read(node, node_facts({"www": service_facts(release, **named | {"credentials": "v2"})}))
    proof = Proven.objects.get()
    assert proof.at > first
    assert (proof.service, proof.image_id) == (service, release.image.image_id)
    assert (proof.certificate, proof.credentials) == ("c" * 64, "v2")
