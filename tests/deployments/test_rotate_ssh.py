"""Rotation of the dashboard's key of a node: killed, cut or refused at any point, the dashboard still gets in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from deployments.core.access import bare, fingerprint
from deployments.execution import connection
from deployments.models import DashboardKey, HostKey, KeyOnNode, Node, OwedRotation, Reading
from deployments.services.access_rotation import catch_up, request_rotation, request_rotation_of_all
from deployments.tasks import forget
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import journal, runner
from ffsweb.operations import services as operations
from ffsweb.operations.errors import LeaseLost
from ffsweb.operations.models import Hold, Operation
from ffsweb.operations.writes import StepWrite, Write
from ffsweb.remote import ConnectionLost
from ffsweb.remote.fake import HOST_KEY
from ffsweb.remote.keys import generate
from ffsweb.web.keys import worker_opener
from tests.deployments.facts import read
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.keyed import KeyedNode

STEPS = ["make key", "add", "prove new key", "switch", "remove old key", "prove old key refused", "read"]


class Site:
    """Node NAME that was contacted, and the machine that it stands for."""

    def __init__(self, fleet: Fleet, nodes: dict[str, KeyedNode], number: int) -> None:
        self.fleet, self.name = fleet, f"node-{number}"
        row = fleet.node(self.name, f"192.0.2.{number}")
        fleet.service(row)
        HostKey.objects.create(node=row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.node = nodes[row.address] = KeyedNode()
        self.node.keys["ffsweb"] = [row.public_key]
        self.first = row.public_key

    @property
    def row(self) -> Node:
        return Node.objects.select_related("project").prefetch_related("services").get(name=self.name)

    def request(self) -> Operation:
        return request_rotation(project=self.fleet.project, nodes=[self.row], actor=self.fleet.alice)

    def rotate(self) -> Operation:
        return run(self.request())

    def reachable(self) -> bool:
        """By the key that the node's row names, as every operation logs in."""
        return self.fleet.read(self.row).state == "succeeded"

    def is_rotated(self) -> None:
        active = self.row.public_key
        assert active != self.first
        assert self.node.keys["ffsweb"] == [active]
        assert not self.node.takes(self.first)
        (old,) = DashboardKey.objects.filter(node=self.row)
        assert (old.state, old.public_key) == ("retired", self.first)
        assert old.refused_at is not None
        assert not OwedRotation.objects.filter(node=self.row).exists()
        assert self.reachable()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, KeyedNode]:
    known: dict[str, KeyedNode] = {}
    monkeypatch.setattr(
        connection,
        "connect",
        lambda endpoint, identity, **limits: known[endpoint.host].connect(endpoint, identity, **limits),
    )
    return known


@pytest.fixture
def site(fleet: Fleet, nodes: dict[str, KeyedNode]) -> Site:
    return Site(fleet, nodes, 1)


@pytest.fixture
def die_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """``die_after["writes"] = 3``: the run ends at its third write of a step, and commits nothing more."""
    left = {"writes": 0}
    real = journal.Journal.write

    def write(self: journal.Journal, batch: Sequence[Write]) -> None:
        if left["writes"] < 0:
            raise LeaseLost
        real(self, batch)
        for item in batch:
            if isinstance(item, StepWrite) and left["writes"]:
                left["writes"] = left["writes"] - 1 or -1
        if left["writes"] < 0:
            raise LeaseLost

    monkeypatch.setattr(journal.Journal, "write", write)
    yield left


def test_a_new_key_is_proven_before_the_old_one_goes_and_the_old_one_is_refused_then(site: Site) -> None:
    ended = site.rotate()
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert [step.name for step in ended.steps.order_by("pk")] == STEPS
    site.is_rotated()
    old, new = bare(site.first), bare(site.row.public_key)
    assert site.node.knocks[:5] == [old, new, new, old, new]
    assert ended.message == f"node-1 takes the key {fingerprint(new)}, and the old one no more."
    assert site.row.public_key.endswith("ffsweb serbest node-1")
    assert AuditEvent.objects.get(action="operation.rotate-ssh").detail["nodes"] == ["node-1"]


def test_the_old_private_key_is_kept_sealed_for_a_day_and_then_destroyed(site: Site) -> None:
    site.rotate()
    old = DashboardKey.objects.get()
    sealed = bytes(old.sealed_private_key)
    assert worker_opener().open(sealed, f"node-key:{site.first}")
    assert b"PRIVATE KEY" not in sealed
    forget()
    assert bytes(DashboardKey.objects.get().sealed_private_key) == sealed
    DashboardKey.objects.update(refused_at=timezone.now() - timedelta(hours=25))
    forget()
    gone = DashboardKey.objects.get()
    assert (gone.state, bytes(gone.sealed_private_key)) == ("destroyed", b"")
    assert site.reachable()


def test_a_key_that_no_node_was_seen_to_refuse_is_not_destroyed(site: Site) -> None:
    site.rotate()
    DashboardKey.objects.update(refused_at=None, since=timezone.now() - timedelta(days=90))
    forget()
    assert DashboardKey.objects.get().state == "retired"


@pytest.mark.parametrize("write", range(1, 2 * len(STEPS) + 1))
def test_killed_at_any_step_the_dashboard_gets_in_and_another_worker_ends_it(
    site: Site, die_after: dict[str, int], write: int
) -> None:
    operation = site.request()
    die_after["writes"] = write
    runner.run(operation.pk)
    assert Operation.objects.get(pk=operation.pk).state == "running"
    die_after["writes"] = 0
    assert site.reachable()
    Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))
    ended = run(operation)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    site.is_rotated()


@pytest.mark.parametrize("verb", ["access-add", "access", "access-remove"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_that_is_lost_at_any_verb_leaves_a_way_in_and_a_second_run_ends_it(
    site: Site, verb: str, when: str
) -> None:
    def lose() -> None:
        getattr(site.node, when).clear()
        raise ConnectionLost("The connection was cut.")

    getattr(site.node, when)[verb] = lose
    ended = site.rotate()
    assert ended.state == "failed"
    assert site.reachable()
    again = site.rotate()
    assert again.state == "succeeded", f"{again.message}\n{log_of(again)}"
    site.is_rotated()


def test_a_new_key_that_the_node_does_not_take_leaves_the_old_one_in_use(site: Site) -> None:
    site.node.after["access-add"] = lambda: site.node.keys["ffsweb"].pop() and None
    ended = site.rotate()
    assert ended.state == "failed"
    assert "did not accept the key" in ended.message
    assert "The old key stays in use, and nothing was removed." in ended.message
    assert (site.row.public_key, site.node.keys["ffsweb"]) == (site.first, [site.first])
    assert site.reachable()
    pending = DashboardKey.objects.get()
    site.node.after.clear()
    assert site.rotate().state == "succeeded"
    assert site.row.public_key == pending.public_key
    site.is_rotated()


def test_an_old_key_that_is_taken_all_the_same_is_told_of_and_the_next_run_makes_no_other(site: Site) -> None:
    site.node.elsewhere.add(bare(site.first))
    ended = site.rotate()
    assert ended.state == "failed"
    assert f"The node still takes the old key {fingerprint(site.first)}" in ended.message
    assert "The new key is in use and works." in ended.message
    new = site.row.public_key
    assert site.reachable()
    site.node.elsewhere.clear()
    assert site.rotate().state == "succeeded"
    assert site.row.public_key == new
    site.is_rotated()


def test_a_node_that_lost_the_active_key_is_entered_by_another_one_that_is_still_there(site: Site) -> None:
    site.rotate()
    site.node.keys["ffsweb"] = [site.first]  # as after an older snapshot was put back
    ended = site.rotate()
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert "The node refuses the key in use, but takes" in log_of(ended)
    assert site.node.takes(site.row.public_key)
    assert site.reachable()


def test_a_key_that_a_thief_added_goes_with_the_stolen_one_and_is_named(site: Site) -> None:
    thief, older = generate("ffsweb serbest node-1")[1], generate()[1]
    site.node.keys["ffsweb"] += [thief, older]
    assert site.node.takes(thief)
    ended = site.rotate()
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert not site.node.takes(thief)
    assert not site.node.takes(older)
    site.is_rotated()
    assert f"The key {fingerprint(thief)} in /home/ffsweb/.ssh/authorized_keys.d/ffsweb was none" in log_of(ended)
    assert fingerprint(thief) in ended.message
    evidence = ended.steps.get(name="remove old key").evidence["not known here"]
    assert set(evidence) == {fingerprint(thief), fingerprint(older)}
    states = dict(KeyOnNode.objects.filter(user="ffsweb").values_list("public_key", "state"))
    assert states == {bare(site.row.public_key): "present"}


def test_a_thief_who_adds_his_key_again_at_once_is_told_of_and_the_rotation_has_failed(site: Site) -> None:
    thief = generate()[1]
    site.node.keys["ffsweb"].append(thief)
    site.node.after["access-remove"] = lambda: site.node.keys["ffsweb"].append(thief)
    ended = site.rotate()
    assert (ended.state, f"{fingerprint(thief)} came back" in ended.message) == ("failed", True)
    assert site.reachable()
    site.node.after.clear()
    new = site.row.public_key
    assert site.rotate().state == "succeeded"
    assert site.row.public_key == new
    site.is_rotated()


def test_an_old_ffs_node_is_to_be_upgraded_first(site: Site) -> None:
    site.node._access_add = lambda _options, _stdin: {  # type: ignore[method-assign]
        "ok": False, "code": "bad-argument", "text": "ffs-node has no such verb.",
    }  # fmt: skip
    ended = site.rotate()
    assert (ended.state, "upgrade it on the node's page first" in ended.message) == ("failed", True)
    assert site.reachable()


def test_without_a_first_contact_nothing_is_rotated(site: Site) -> None:
    HostKey.objects.update(kind=HostKey.Kind.BOOTSTRAP)
    ended = site.rotate()
    assert (ended.state, "no first contact" in ended.message) == ("failed", True)
    assert DashboardKey.objects.count() == 0


# Nodes that are away, and many nodes.


def test_a_node_that_is_away_is_owed_its_rotation_and_gets_it_when_it_is_back(site: Site) -> None:
    site.node.vanish()
    ended = site.rotate()
    assert ended.state == "failed"
    assert "the new key comes when the node answers again" in ended.message
    assert OwedRotation.objects.get().operation == ended.pk
    assert catch_up() == 0  # nobody has read it since
    site.node.fake.accept()
    site.reachable()
    assert catch_up() == 1
    assert run(Operation.objects.filter(kind="rotate-ssh").latest("pk")).state == "succeeded"
    site.is_rotated()
    assert catch_up() == 0


def test_what_is_owed_is_tried_at_growing_intervals(site: Site) -> None:
    site.node.vanish()
    site.rotate()
    OwedRotation.objects.update(tried_at=timezone.now() - timedelta(hours=3), tries=8)
    read(site.row, {})
    assert Reading.objects.filter(error="").exists()
    assert catch_up() == 0  # 256 minutes
    OwedRotation.objects.update(tries=5)
    assert catch_up() == 1


def test_a_node_that_goes_away_before_the_old_key_is_refused_is_finished_later(site: Site) -> None:
    site.node.before["access-remove"] = site.node.vanish
    ended = site.rotate()
    assert (ended.state, "This is finished by itself" in ended.message) == ("failed", True)
    site.node.before.clear()
    site.node.fake.accept()
    new = site.row.public_key
    assert site.node.takes(new)
    site.reachable()
    assert catch_up() == 1
    assert run(Operation.objects.filter(kind="rotate-ssh").latest("pk")).state == "succeeded"
    assert site.row.public_key == new
    site.is_rotated()


def test_all_nodes_are_rotated_canary_first_and_those_in_use_and_away_later(
    fleet: Fleet, nodes: dict[str, KeyedNode]
) -> None:
    sites = [Site(fleet, nodes, number) for number in range(1, 6)]
    other = operations.enqueue(
        kind="read", project=fleet.project, actor=fleet.alice, title="x", params={}, targets=[],
        holds=[sites[4].row.resource],
    )  # fmt: skip
    sites[1].node.vanish()
    operation, busy = request_rotation_of_all(project=fleet.project, actor=fleet.alice)
    assert operation is not None
    assert busy == [sites[4].row]
    assert [len(wave) for wave in operation.params["waves"]] == [1, 1, 2]
    ended = run(operation)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert ended.message == "3 nodes have a new key, and take no old one. 1 away: they get it when they are back."
    for site in (sites[0], *sites[2:4]):
        site.is_rotated()
    assert {owed.node.name for owed in OwedRotation.objects.all()} == {"node-2", "node-5"}
    Hold.objects.filter(operation=other).delete()
    sites[1].node.fake.accept()
    assert all(site.reachable() for site in sites)
    assert catch_up() == 2


def test_a_canary_that_fails_ends_it_and_the_others_keep_their_keys(
    fleet: Fleet, nodes: dict[str, KeyedNode]
) -> None:
    sites = [Site(fleet, nodes, number) for number in range(1, 4)]
    sites[0].node.after["access-add"] = lambda: sites[0].node.keys["ffsweb"].pop() and None
    operation, _ = request_rotation_of_all(project=fleet.project, actor=fleet.alice)
    assert operation is not None
    ended = run(operation)
    assert ended.state == "failed"
    assert ended.message.endswith("2 nodes were not begun; they go on with the keys that they have.")
    assert all(site.reachable() for site in sites)
    assert all(site.row.public_key == site.first for site in sites)
