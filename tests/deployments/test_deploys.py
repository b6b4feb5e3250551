"""What can be planned, and what may be put to work: exactly the plan that was shown, while it is still true."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import HostKey, Node, Release, Service
from deployments.services import deploys
from deployments.services.deploys import NotPossible, Refused
from deployments.services.instances import remove_service
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Hold, Operation
from tests.deployments.facts import GB, node_facts, read, service_facts
from tests.deployments.fleet import Fleet


class Described:
    """A service on a node, and a release of it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.node: Node = fleet.node()
        self.service: Service = fleet.service(self.node)
        self.release: Release = fleet.release(fleet.described_image())

    def preview(self, *services: Service) -> Any:
        return deploys.preview(release=self.release, services=services or [self.service], actor=self.fleet.alice)

    def request(self, plan: Any) -> Operation:
        return deploys.request_deploy(plan=plan, actor=self.fleet.alice)


@pytest.fixture
def described(fleet: Fleet) -> Described:
    return Described(fleet)


def nothing_was_started() -> None:
    assert not Operation.objects.filter(kind="deploy").exists()
    assert not Hold.objects.exists()
    assert not AuditEvent.objects.filter(action="deploy.request").exists()


def test_a_plan_that_is_still_true_is_put_to_work_and_written_down(described: Described) -> None:
    read(described.node)
    plan = described.preview()
    read(described.node)  # newer, and says the same
    operation = described.request(plan)
    assert operation.plan_hash == plan.hash
    assert operation.params["plan"] == plan.body
    assert [target.key for target in operation.targets.all()] == [described.service.resource]
    assert AuditEvent.objects.filter(action="deploy.request").count() == 1


def test_the_same_plan_twice_is_one_row(described: Described) -> None:
    read(described.node)
    assert described.preview() == described.preview()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (lambda row: node_facts({"www": service_facts(row.release)}), "the release runs by now"),
        (lambda row: node_facts({"www": service_facts(None, unit_sha256="c3" * 32)}), "another unit"),
    ],
)
def test_a_plan_that_the_node_has_overtaken_is_refused(described: Described, facts: Any, why: str) -> None:
    read(described.node)
    plan = described.preview()
    read(described.node, facts(described))
    assert deploys.is_stale(plan), why
    with pytest.raises(Refused, match=r"changed since this plan was made\. Nothing was started: make a fresh plan"):
        described.request(plan)
    nothing_was_started()


def test_a_plan_stays_true_while_only_what_has_to_travel_changes(described: Described) -> None:
    read(described.node)
    plan = described.preview()
    diff_ids = [layer["diff_id"] for layer in described.release.image.layers]
    read(described.node, node_facts(images_held={"ids": [], "diff_ids": diff_ids}))
    assert not deploys.is_stale(plan)


def test_a_plan_that_an_edit_of_the_service_has_overtaken_is_refused(described: Described) -> None:
    read(described.node)
    plan = described.preview()
    Service.objects.filter(pk=described.service.pk).update(
        ports=[{"host": 444, "container": 8443, "protocol": "tcp"}]
    )
    with pytest.raises(Refused, match="make a fresh plan"):
        described.request(plan)
    nothing_was_started()


def test_a_plan_whose_service_was_removed_is_refused(described: Described) -> None:
    read(described.node)
    plan = described.preview()
    remove_service(service=described.service, actor=described.fleet.alice)
    with pytest.raises(Refused, match="Nothing was started"):
        described.request(plan)
    nothing_was_started()


def test_a_node_that_fell_silent_after_the_plan_makes_it_stale(described: Described) -> None:
    read(described.node)
    plan = described.preview()
    read(described.node, error="Nothing listens there.")
    with pytest.raises(Refused, match="Nothing was started"):
        described.request(plan)
    nothing_was_started()


def full(**disk: int) -> dict[str, Any]:
    disks = {"images": {"free": 20 * GB, "total": 40 * GB}, "var": {"free": 20 * GB, "total": 40 * GB}}
    return node_facts(
        disk={name: {"free": disk.get(name, of["free"]), "total": 40 * GB} for name, of in disks.items()}
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (lambda: full(images=100_000_000), "Disk for images: 101 MB too little is free; 1.0 MB are to come."),
        (lambda: full(var=100_000_000), "Disk for data: 100 MB too little is free"),
        (lambda: node_facts(arch="aarch64"), "The image is for amd64, but the node is aarch64."),
        (lambda: node_facts(protocol=99), "protocol 99"),
        (lambda: node_facts(podman=""), "Is podman installed?"),
        (lambda: node_facts(time=1_000_000_000), "clock"),
        (
            lambda: node_facts({"www": service_facts(None, pending={"op": "1-7", "deadline": 1})}),
            "The switch of operation 1-7 is neither confirmed nor undone yet.",
        ),
        (
            lambda: node_facts({"www": service_facts(None, project="other")}),
            "belongs to the project other",
        ),
    ],
)
def test_a_refused_plan_says_why_and_starts_nothing(described: Described, facts: Any, said: str) -> None:
    read(described.node, facts())
    plan = described.preview()
    refusals = plan.parsed().targets[0].refusals
    assert any(said in each for each in refusals), refusals
    with pytest.raises(Refused, match=r"The plan is refused: see its red rows\. Nothing was started\."):
        described.request(plan)
    nothing_was_started()


def test_a_node_that_was_never_read_or_is_unreachable_gets_a_plan_that_says_so(described: Described) -> None:
    assert "never read" in described.preview().parsed().targets[0].refusals[0]
    read(described.node, error="Nothing listens there.")
    plan = described.preview()
    assert "Nothing listens there." in plan.parsed().targets[0].refusals[0]
    with pytest.raises(Refused):
        described.request(plan)
    nothing_was_started()


def test_one_red_row_refuses_the_plan_for_all(described: Described) -> None:
    other = described.fleet.service(described.fleet.node("node-b", "192.0.2.2"))
    read(described.node)
    read(other.node, error="Nothing listens there.")
    plan = described.preview(described.service, other)
    assert [bool(target.refusals) for target in plan.parsed().targets] == [False, True]
    with pytest.raises(Refused):
        described.request(plan)
    nothing_was_started()


def test_what_no_unit_can_hold_makes_no_plan_and_names_the_service(described: Described) -> None:
    read(described.node)
    Service.objects.filter(pk=described.service.pk).update(ports=[{"host": 0, "container": 8443, "protocol": "tcp"}])
    with pytest.raises(NotPossible, match="www@node-a cannot have release 1"):
        described.preview()


def test_a_setting_with_a_line_break_is_quoted_or_refused_but_never_a_line_of_its_own(described: Described) -> None:
    described.fleet.settings('EVIL="a\\nUser=0"\n', plain=["EVIL"])
    described.release = described.fleet.release(described.release.image)
    read(described.node)
    try:
        unit = "\n".join(described.preview().parsed().targets[0].unit_diff)
    except NotPossible as error:
        assert "EVIL" in str(error)
    else:
        assert not [line for line in unit.splitlines() if line.lstrip("+").startswith("User=0")]


def test_no_services_are_no_plan(described: Described) -> None:
    with pytest.raises(NotPossible, match="gone"):
        deploys.preview(release=described.release, services=[], actor=described.fleet.alice)


def test_a_node_without_a_pinned_key_is_held_as_a_whole_and_one_with_it_is_not(described: Described) -> None:
    read(described.node)
    operation = described.request(described.preview())
    held = set(Hold.objects.filter(operation=operation).values_list("resource", flat=True))
    assert held == {described.service.resource, described.node.resource}
    operation.delete()
    HostKey.objects.create(node=described.node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 A", fingerprint="x")
    operation = described.request(described.preview())
    assert set(Hold.objects.values_list("resource", flat=True)) == {described.service.resource}
