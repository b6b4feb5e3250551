"""Operators' keys on simulated nodes: added and seen before anything is removed, owed to those that are away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from deployments.core import access
from deployments.core.access import bare
from deployments.core.ignition import data_url_bytes
from deployments.execution import connection
from deployments.execution.access_looking import look_at_due
from deployments.models import AccessKey, KeyOnNode, Node, NodeAccess, SigningKey
from deployments.models.access_key import REMOVED_KEPT
from deployments.services.access_keys import (
    NotRemovable,
    add_key,
    catch_up,
    remove_key,
    request_apply,
    request_apply_to_all,
)
from deployments.services.signing import upgrade_signers
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import journal, runner
from ffsweb.operations.errors import LeaseLost
from ffsweb.operations.models import Operation
from ffsweb.operations.writes import StepWrite, Write
from ffsweb.remote import ConnectionLost
from ffsweb.remote.fake import HOST_KEY
from ffsweb.remote.keys import BadPublicKey, WeakKey, generate
from ffsweb.remote.signatures import sign
from ffsweb.web.keys import worker_opener, worker_sealer
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.keyed import KeyedNode
from tests.deployments.test_rotate_ssh import Site


def line(comment: str = "") -> str:
    return generate(comment)[1]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, KeyedNode]:
    known: dict[str, KeyedNode] = {}
    monkeypatch.setattr(connection, "connect", lambda at, key, **more: known[at.host].connect(at, key, **more))
    return known


@pytest.fixture
def site(fleet: Fleet, nodes: dict[str, KeyedNode]) -> Site:
    upgrade_signers(actor=fleet.alice)
    return Site(fleet, nodes, 1)


def add(site: Site, text: str, **more: object) -> AccessKey:
    return add_key(project=site.fleet.project, actor=site.fleet.alice, line=text, **more)  # type: ignore[arg-type]


def bring(site: Site) -> Operation:
    return run(request_apply(project=site.fleet.project, nodes=[site.row], actor=site.fleet.alice))


def ledger(site: Site, user: str = "core") -> dict[str, str]:
    rows = KeyOnNode.objects.filter(node=site.row, user=user)
    return dict(rows.values_list("public_key", "state"))


def on_node(site: Site) -> list[str]:
    return [bare(each) for each in site.node.keys["core"]]


def test_a_key_is_brought_to_a_node_and_a_foreign_one_is_seen_and_left_alone(site: Site) -> None:
    foreign, mine = line("somebody"), line("alice@laptop")
    site.node.keys["core"] = [foreign]
    key = add(site, mine)
    assert ledger(site) == {bare(mine): "owed_add"}
    ended = bring(site)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert site.node.keys["core"] == [foreign, mine]
    assert ledger(site) == {bare(mine): "present", bare(foreign): "foreign"}
    assert ledger(site, "ffsweb") == {bare(site.first): "present"}
    row = KeyOnNode.objects.get(public_key=key.public_key)
    assert (row.comment, row.seen_at is not None) == ("alice@laptop", True)
    assert bring(site).message == "node-1 had all wanted keys, and none besides that is to go."
    assert AuditEvent.objects.get(action="access-key.add").detail["fingerprint"] == key.fingerprint


def test_a_key_is_replaced_by_another_that_is_seen_before_the_old_one_goes(site: Site) -> None:
    old = add(site, line("old"))
    bring(site)
    new = add(site, line("new"), instead_of=old)
    assert ledger(site) == {old.public_key: "owed_remove", new.public_key: "owed_add"}
    ended = bring(site)
    assert [step.name for step in ended.steps.order_by("pk")] == [
        "read keys",
        "add keys",
        "prove added",
        "remove keys",
        "prove removed",
    ]
    assert on_node(site) == [new.public_key]
    assert ledger(site) == {old.public_key: "removed", new.public_key: "present"}


def test_where_the_new_key_is_not_taken_the_old_one_stays(site: Site) -> None:
    old = add(site, line("old"))
    bring(site)
    new = add(site, line("new"), instead_of=old)
    site.node.after["access-add"] = lambda: site.node.keys["core"].pop() and None
    ended = bring(site)
    assert ended.state == "failed"
    assert "Nothing was removed." in ended.message
    assert on_node(site) == [old.public_key]
    assert ledger(site) == {old.public_key: "owed_remove", new.public_key: "owed_add"}
    assert "sshd does not take it" in NodeAccess.objects.get().problem


@pytest.mark.parametrize("write", range(1, 11))
def test_killed_at_any_step_somebody_gets_in_and_another_worker_ends_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    old = add(site, line("old"))
    bring(site)
    new = add(site, line("new"), instead_of=old)
    real, left = journal.Journal.write, [write]

    def die(self: journal.Journal, batch: Sequence[Write]) -> None:
        if left[0] <= 0:
            raise LeaseLost
        real(self, batch)
        left[0] -= sum(isinstance(item, StepWrite) for item in batch)
        if left[0] <= 0:
            raise LeaseLost

    operation = request_apply(project=site.fleet.project, nodes=[site.row], actor=site.fleet.alice)
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "write", die)
        runner.run(operation.pk)
    assert on_node(site)
    Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))
    ended = run(operation)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert on_node(site) == [new.public_key]
    assert ledger(site) == {old.public_key: "removed", new.public_key: "present"}


def test_a_break_glass_key_is_never_removed(site: Site) -> None:
    glass, other = add(site, line("safe"), break_glass=True), add(site, line("other"))
    bring(site)
    assert site.node.break_glass == {glass.public_key}
    with pytest.raises(NotRemovable, match="never removes"):
        remove_key(key=glass, actor=site.fleet.alice)
    with pytest.raises(NotRemovable, match="never removes"):
        add(site, line(), instead_of=glass)
    AccessKey.objects.filter(pk=glass.pk).update(state="removed")  # as if somebody had changed the row
    assert bring(site).state == "succeeded"
    assert set(on_node(site)) == {glass.public_key, other.public_key}


def test_a_break_glass_key_that_is_on_the_node_already_is_noted_there(site: Site) -> None:
    """It came by the machine file, or was an ordinary key before."""
    mine = line("safe")
    site.node.keys["core"] = [mine]
    glass = add(site, mine, break_glass=True)
    assert bring(site).state == "succeeded"
    assert site.node.break_glass == {glass.public_key}
    site.node.break_glass.clear()  # as after an older snapshot was put back
    NodeAccess.objects.update(
        read_at=timezone.now() - timedelta(hours=7), tried_at=timezone.now() - timedelta(days=2)
    )
    site.reachable()
    assert look_at_due() == 1
    assert later(site) == 1
    assert run(Operation.objects.filter(kind="access-keys").latest("pk")).state == "succeeded"
    assert site.node.break_glass == {glass.public_key}
    assert later(site) == 0
    assert bring(site).message == "node-1 had all wanted keys, and none besides that is to go."


def test_a_machine_file_notes_break_glass_keys(site: Site) -> None:
    mine = line("safe (vault) one")
    Node.objects.update(operator_keys=f"{bare(mine)} the same, as somebody described it")
    add(site, mine, break_glass=True)
    add(site, line("other"))
    (noted,) = (
        file["contents"]["source"]
        for file in json.loads(site.fleet.machine_file(site.row))["storage"]["files"]
        if file["path"] == "/etc/ffs/break-glass"
    )
    assert data_url_bytes(noted) == f"{bare(mine)}\n".encode()


def later(site: Site) -> int:
    """The clock after the longest pause, when the node was read again."""
    NodeAccess.objects.update(tried_at=timezone.now() - timedelta(days=2))
    site.reachable()
    return catch_up()


def test_a_key_of_the_dashboards_that_is_not_heeded_begins_no_operation_of_operators_keys(site: Site) -> None:
    add(site, line("mine"))
    bring(site)
    site.node.unheeded.add("ffsweb")
    assert bring(site).state == "succeeded"
    assert ledger(site, "ffsweb") == {bare(site.first): "owed_add"}
    assert later(site) == 0


def test_a_removed_key_that_the_node_keeps_for_good_begins_no_operation(site: Site) -> None:
    glass = add(site, line("safe"))
    add(site, line("other"))
    bring(site)
    site.node.break_glass.add(glass.public_key)
    remove_key(key=glass, actor=site.fleet.alice)
    assert bring(site).state == "succeeded"
    assert ledger(site)[glass.public_key] == "present"
    assert later(site) == 0


def test_what_is_still_owed_after_an_operation_keeps_its_pause(site: Site) -> None:
    old = add(site, line("old"))
    bring(site)
    new = add(site, line("new"), instead_of=old)
    site.node.keys["core"].append(new.line)
    NodeAccess.objects.update(tries=3)
    site.node.after["access-remove"] = lambda: site.node.keys.update(core=[])  # somebody tidies up
    assert bring(site).state == "succeeded"
    assert ledger(site)[new.public_key] == "owed_add"
    assert NodeAccess.objects.get().tries == 3
    site.node.after.clear()
    assert later(site) == 1
    assert run(Operation.objects.filter(kind="access-keys").latest("pk")).state == "succeeded"
    assert NodeAccess.objects.get().tries == 0


def test_the_last_key_of_a_project_stays(site: Site) -> None:
    last = add(site, line("last"))
    with pytest.raises(NotRemovable, match="is the last key of serbest"):
        remove_key(key=last, actor=site.fleet.alice)
    assert AccessKey.objects.get().state == "wanted"


def test_weak_and_known_keys_are_refused(site: Site) -> None:
    mine = line("mine")
    add(site, mine)
    with pytest.raises(BadPublicKey, match="has this key already"):
        add(site, mine)
    with pytest.raises(WeakKey, match="DSA"):
        add(site, "ssh-dss AAAAB3NzaC1kc3M=")


def test_a_removed_key_goes_from_the_description_of_its_node_too_and_from_machine_files(site: Site) -> None:
    mine, stays = line("mine"), line("stays")
    Node.objects.update(operator_keys=f"{mine}\n{stays}")
    key, other = add(site, mine), add(site, line("other"))
    assert [site.fleet.machine_file(site.row).count(bare(each)) for each in (mine, stays, other.public_key)] == [
        1
    ] * 3
    remove_key(key=key, actor=site.fleet.alice)
    assert site.row.operator_keys == stays
    assert bare(mine) not in site.fleet.machine_file(site.row)


def test_a_key_that_comes_back_is_owed_again(site: Site) -> None:
    """As Afterburn brings one back at each boot of a cloud machine."""
    old, other = add(site, line("old")), add(site, line("other"))
    bring(site)
    remove_key(key=old, actor=site.fleet.alice)
    bring(site)
    assert on_node(site) == [other.public_key]
    site.node.keys["core"].append(old.line)
    NodeAccess.objects.update(
        read_at=timezone.now() - timedelta(hours=7), tried_at=timezone.now() - timedelta(hours=7)
    )
    site.reachable()
    assert look_at_due() == 1
    assert ledger(site)[old.public_key] == "owed_remove"
    site.reachable()
    assert catch_up() == 1
    assert run(Operation.objects.filter(kind="access-keys").latest("pk")).state == "succeeded"
    assert on_node(site) == [other.public_key]


def test_a_node_that_is_away_stays_owed_and_is_caught_up_with(fleet: Fleet, nodes: dict[str, KeyedNode]) -> None:
    upgrade_signers(actor=fleet.alice)
    sites = [Site(fleet, nodes, number) for number in range(1, 4)]
    sites[1].node.vanish()
    key = add(sites[0], line("new"))
    operation, busy = request_apply_to_all(project=fleet.project, actor=fleet.alice)
    assert operation is not None
    assert busy == []
    ended = run(operation)
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert "1 away: they get it when they are back." in ended.message
    assert [ledger(site)[key.public_key] for site in sites] == ["present", "owed_add", "present"]
    assert catch_up() == 0
    sites[1].node.fake.accept()
    sites[1].reachable()
    assert catch_up() == 1
    run(Operation.objects.filter(kind="access-keys").latest("pk"))
    assert ledger(sites[1])[key.public_key] == "present"


def test_a_connection_that_is_lost_leaves_what_is_missing_owed(site: Site) -> None:
    def lose() -> None:
        raise ConnectionLost("The connection was cut.")

    key = add(site, line("new"))
    site.node.before["access-add"] = lose
    ended = bring(site)
    assert (ended.state, "What is missing stays owed." in ended.message) == ("failed", True)
    assert ledger(site) == {key.public_key: "owed_add"}


def test_the_keys_of_nodes_are_looked_at_every_few_hours(site: Site) -> None:
    site.reachable()
    assert look_at_due() == 1
    assert look_at_due() == 0
    assert ledger(site, "ffsweb") == {bare(site.first): "present"}
    site.node.vanish()
    NodeAccess.objects.update(
        read_at=timezone.now() - timedelta(hours=7), tried_at=timezone.now() - timedelta(hours=7)
    )
    assert look_at_due() == 1
    assert "Nothing listens" in NodeAccess.objects.get().problem


def test_a_node_that_shows_other_keys_each_time_does_not_fill_the_ledger(site: Site) -> None:
    for _ in range(3):
        site.node.keys["core"] = [line() for _ in range(REMOVED_KEPT)]
        assert bring(site).state == "succeeded"
    assert KeyOnNode.objects.filter(user="core").count() == 2 * REMOVED_KEPT


def test_any_of_the_installations_keys_may_be_the_one_that_a_node_knows(site: Site) -> None:
    private, known = generate()
    sealed = worker_sealer().seal(private, f"signing-key:{known}")
    SigningKey.objects.create(public_key=known, sealed_private_key=sealed)
    site.node.signers = {known}
    add(site, line("mine"))
    assert bring(site).state == "succeeded"
    site.node.signers = {line()}
    add(site, line("other"))
    ended = bring(site)
    assert (ended.state, "not one that this node trusts" in ended.message) == ("failed", True)


def test_a_change_is_signed_for_the_host_key_that_is_pinned_of_this_node_alone(site: Site) -> None:
    add(site, line("mine"))
    assert bring(site).state == "succeeded"
    ((fence, given, signature),) = site.node.given
    row = SigningKey.objects.get()
    private = worker_opener().open(bytes(row.sealed_private_key), f"signing-key:{row.public_key}")
    epoch, _, number = fence.partition(".")
    argv = access.add_key((int(epoch), int(number)), "core")
    assert signature == sign(private, access.statement(argv, given, HOST_KEY), namespace="ffs-node-access")


def test_without_a_key_of_the_installation_nothing_is_changed(site: Site) -> None:
    SigningKey.objects.all().delete()
    add(site, line("mine"))
    ended = bring(site)
    assert (ended.state, "No node knows a key of this installation yet" in ended.message) == ("failed", True)
    assert on_node(site) == []
