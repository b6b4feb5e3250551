"""ffs-node is upgraded: signed here, proven by a reading, on one node or on all that have an older one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployments.core.program import Program, Standing
from deployments.execution import connection
from deployments.models import HostKey, Node, Reading, SigningKey
from deployments.models.program import programs_on
from deployments.nodekit.released import ffs_node_program
from deployments.services import requests
from deployments.services.upkeep import request_upgrade, upgradable
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Hold, Operation
from ffsweb.operations.services import Busy
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.facts import read
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.simulated import SimulatedNode

OLD = Program(ffs_node_program().protocol - 1, "0.0.9", "b" * 64)
OURS = ffs_node_program()


class Site:
    """Nodes with an old ffs-node that know the installation's key; each has a service."""

    def __init__(self, fleet: Fleet, *names: str) -> None:
        self.fleet = fleet
        self.rows: dict[str, Node] = {}
        self.nodes: dict[str, SimulatedNode] = {}
        for number, name in enumerate(names, 1):
            row = fleet.node(name, f"192.0.2.{number}")
            fleet.service(row)
            fleet.machine_file(row)  # makes the installation's key
            HostKey.objects.create(node=row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
            node = SimulatedNode()
            node.program = OLD
            node.signers = set(SigningKey.objects.values_list("public_key", flat=True))
            self.rows[name], self.nodes[name] = row, node

    def connect(self, endpoint: Any, *arguments: Any, **options: Any) -> Any:
        name = next(name for name, row in self.rows.items() if row.address == endpoint.host)
        return self.nodes[name].connect(endpoint, *arguments, **options)

    def read(self) -> None:
        for row in self.rows.values():
            ended = self.fleet.read(row)
            assert ended.state == "succeeded", ended.message

    def ask(self, *names: str) -> Operation:
        rows = [self.rows[name] for name in names or self.rows]
        return request_upgrade(project=self.fleet.project, nodes=rows, actor=self.fleet.alice)

    def standings(self) -> dict[str, Standing]:
        found = programs_on(Node.objects.all())
        return {name: found[row.pk].standing for name, row in self.rows.items() if row.pk in found}


@pytest.fixture
def site(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(fleet, "node-a", "node-b", "node-c")
    monkeypatch.setattr(connection, "connect", site.connect)
    site.read()
    return site


def test_an_old_node_is_upgraded_set_up_and_read_again(site: Site) -> None:
    assert site.standings()["node-a"] is Standing.OLDER
    ended = run(site.ask("node-a"))
    assert ended.state == "succeeded", log_of(ended)
    assert ended.message == f"ffs-node {OURS} runs on the node."
    assert site.nodes["node-a"].program == OURS
    assert site.nodes["node-a"].verbs() == ["facts", "version", "upgrade", "setup", "facts"]
    assert site.standings()["node-a"] is Standing.SAME
    assert f"It has version 0.0.9, protocol {OLD.protocol}." in log_of(ended)
    proof = ended.steps.get(name="prove").evidence
    assert proof == {"version": OURS.version, "protocol": OURS.protocol, "program_sha256": OURS.sha256}
    assert AuditEvent.objects.filter(action="operation.upgrade", target="node-a").count() == 1


def test_the_node_is_held_with_its_services_until_the_end(site: Site) -> None:
    service = site.rows["node-a"].services.get()
    asked = site.ask("node-a")
    assert set(Hold.objects.values_list("resource", flat=True)) == {site.rows["node-a"].resource, service.resource}
    with pytest.raises(Busy, match="www@node-a is in use"):
        requests.request_control(service=service, verb="stop", actor=site.fleet.alice)
    run(asked)
    assert not Hold.objects.exists()


def test_all_that_are_older_are_upgraded_in_one_operation_and_failures_are_listed(site: Site) -> None:
    site.nodes["node-b"].signers = None
    ended = run(site.ask())
    assert ended.state == "failed"
    assert ended.message.startswith("1 of 3 nodes were not upgraded. node-b: This node knows no key for upgrades")
    assert ended.message.endswith(f"The others have {OURS}.")
    assert {target.label: target.state for target in ended.targets.all()} == {
        "node-a": "succeeded", "node-b": "failed", "node-c": "succeeded",
    }  # fmt: skip
    key = SigningKey.objects.get().public_key
    assert f'/etc/ffs/upgrade.signers would have to hold: ffs-node namespaces="ffs-node-upgrade" {key}' in log_of(
        ended
    )
    assert site.standings() == {"node-a": Standing.SAME, "node-b": Standing.OLDER, "node-c": Standing.SAME}


def test_a_node_that_knows_another_key_is_told_apart(site: Site) -> None:
    site.nodes["node-a"].signers = {"ssh-ed25519 AAAA"}
    ended = run(site.ask("node-a"))
    assert ended.state == "failed"
    assert "The signature is not one that this node trusts" in ended.message
    assert "Write the line that the log shows into /etc/ffs/upgrade.signers" in ended.message


def test_of_several_keys_the_one_that_the_node_knows_counts(site: Site) -> None:
    first = SigningKey.objects.get()
    SigningKey.objects.all().delete()
    site.fleet.machine_file(site.rows["node-a"])
    SigningKey.objects.create(public_key=first.public_key, sealed_private_key=first.sealed_private_key)
    assert SigningKey.objects.first() != SigningKey.objects.get(public_key=first.public_key)
    ended = run(site.ask("node-a"))
    assert ended.state == "succeeded", log_of(ended)


def test_a_node_refuses_an_older_program_and_says_so(site: Site) -> None:
    site.nodes["node-a"].program = newer = replace(OLD, version="99.0")
    ended = run(site.ask("node-a"))
    assert ended.state == "failed"
    assert "is older than 99.0; nothing was changed." in ended.message
    assert site.nodes["node-a"].program == newer


def test_a_node_that_claims_to_have_taken_it_is_not_believed(site: Site) -> None:
    def lie() -> None:
        site.nodes["node-a"].program = OLD

    site.nodes["node-a"].after["upgrade"] = lie
    ended = run(site.ask("node-a"))
    assert ended.state == "failed"
    assert "but the reading after it shows version 0.0.9" in ended.message


def test_who_is_unreachable_stops_no_other(site: Site) -> None:
    site.nodes["node-c"].vanish()
    ended = run(site.ask())
    assert ended.state == "failed"
    assert "1 of 3 nodes were not upgraded. node-c: Nothing listens" in ended.message


def test_a_node_whose_facts_nobody_here_can_read_can_be_upgraded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    node = site.nodes["node-a"]
    whole = node._facts

    def other_form(options: dict[str, str], stdin: bytes) -> dict[str, Any]:
        told = whole(options, stdin)
        return told if node.program == OURS else {**told, "disk": "in another form"}

    monkeypatch.setattr(node, "_facts", other_form)
    assert site.fleet.read(site.rows["node-a"]).state == "failed"
    stored = Reading.objects.filter(node=site.rows["node-a"]).latest()
    assert stored.parsed() is None
    assert f"Its ffs-node is version 0.0.9, protocol {OLD.protocol}" in stored.problem
    assert set(stored.facts) == {"protocol", "version", "program_sha256"}
    assert site.standings()["node-a"] is Standing.OLDER
    assert run(site.ask("node-a")).state == "succeeded"


def test_the_last_answer_counts_while_a_node_is_silent_and_who_never_answered_is_unknown(site: Site) -> None:
    read(site.rows["node-a"], error="Nothing listens there.")
    Reading.objects.filter(node=site.rows["node-b"]).delete()
    assert site.standings() == {"node-a": Standing.OLDER, "node-c": Standing.OLDER}


def test_nodes_that_are_in_use_or_have_ours_are_left_out_of_all(site: Site) -> None:
    site.nodes["node-a"].program = OURS
    site.read()
    requests.request_enrolment(node=site.rows["node-b"], actor=site.fleet.alice)
    found = upgradable(site.fleet.project)
    assert ([str(node) for node in found.free], [str(node) for node in found.busy]) == (["node-c"], ["node-b"])


def test_what_goes_to_the_node_is_the_script_and_a_signature_alone(site: Site) -> None:
    run(site.ask("node-a"))
    call = next(call for call in site.nodes["node-a"].fake.calls if "upgrade" in call.argv)
    assert set(json.loads(call.stdin)) == {"script", "signature"}
    assert b"PRIVATE" not in call.stdin
