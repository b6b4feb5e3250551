"""What operators see and may do to keep nodes in order."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core import layout
from deployments.models import Node
from deployments.nodekit.released import ffs_node_program
from deployments.services import deploys, requests
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation
from tests.deployments.facts import node_facts, read, service_facts
from tests.web.conftest import Visit
from tests.web.described import Described

pytestmark = pytest.mark.django_db

OURS = ffs_node_program()
PAGE, LIST = "/projects/serbest/nodes/node-a/", "/projects/serbest/nodes/"
OLD = {"version": "0.0.9", "protocol": layout.PROTOCOL - 1}
BUTTON, ALL = "Upgrade ffs-node</button>", "Upgrade ffs-node on"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split()).replace("&#x27;", "'")


@pytest.fixture
def node(described: Described) -> Node:
    node = described.node()
    described.service(node)
    return node


def test_a_node_that_was_never_read_says_nothing_of_its_ffs_node(visit: Visit, bob: User, node: Node) -> None:
    assert "ffs-node" not in text_of(visit(bob).get(PAGE))
    assert "unknown" in text_of(visit(bob).get(LIST))


@pytest.mark.parametrize(
    ("facts", "words", "button"),
    [
        ({"program_sha256": OURS.sha256}, "The node has this ffsweb's", False),
        ({}, "but not the text that belongs to this ffsweb", True),
        ({"version": "0.0.9"}, f"this ffsweb has version {OURS.version}", True),
        (OLD, "Nothing can be deployed to it before it is upgraded", True),
        ({"version": "99"}, "A node takes no older one: upgrade ffsweb", False),
    ],
)
def test_an_upgrade_is_offered_where_it_does_something(
    visit: Visit, bob: User, carol: User, node: Node, facts: dict[str, Any], words: str, button: bool
) -> None:
    read(node, node_facts(**facts))
    page = text_of(visit(bob).get(PAGE))
    assert words in page
    assert (BUTTON in page) == button
    assert (ALL in text_of(visit(bob).get(LIST))) == button
    assert words in text_of(visit(carol).get(PAGE))
    assert BUTTON not in text_of(visit(carol).get(PAGE))


def test_an_operator_upgrades_a_node_and_is_told_when_it_is_in_use(
    visit: Visit, bob: User, alice: User, node: Node
) -> None:
    read(node, node_facts(**OLD))
    answer = visit(bob).post(f"{PAGE}upgrade/")
    asked = Operation.objects.get(kind="upgrade")
    assert answer["Location"] == f"/operations/{asked.pk}/"
    assert (asked.title, asked.actor_name) == ("Upgrade ffs-node on node-a", "bob")
    assert AuditEvent.objects.get(action="operation.upgrade").detail["nodes"] == ["node-a"]
    assert "node-a is in use since" in text_of(visit(alice).post(f"{PAGE}upgrade/", follow=True))
    assert Operation.objects.count() == 1


def test_all_older_nodes_are_upgraded_in_one_operation_but_those_in_use(
    visit: Visit, bob: User, described: Described, node: Node
) -> None:
    for number, name in enumerate(("node-b", "node-c"), 2):
        read(described.node(name, f"192.0.2.{number}"), node_facts(**OLD))
    read(node, node_facts(**OLD))
    requests.request_enrolment(node=Node.objects.get(name="node-b"), actor=described.alice)
    assert "Upgrade ffs-node on 3 nodes" in text_of(visit(bob).get(LIST))
    page = text_of(visit(bob).post("/projects/serbest/upgrade/", follow=True))
    assert "Left out, because an operation is at work there: node-b." in page
    asked = Operation.objects.get(kind="upgrade")
    assert [target.label for target in asked.targets.all()] == ["node-a", "node-c"]
    page = text_of(visit(bob).post("/projects/serbest/upgrade/", follow=True))
    assert "In use now: node-a, node-b, node-c. Nothing was started." in page
    assert Operation.objects.filter(kind="upgrade").count() == 1


def test_there_may_be_nothing_to_upgrade(visit: Visit, bob: User, node: Node) -> None:
    read(node, node_facts(program_sha256=OURS.sha256))
    page = text_of(visit(bob).post("/projects/serbest/upgrade/", follow=True))
    assert "No node has an older ffs-node." in page
    assert not Operation.objects.exists()


def test_the_list_of_many_nodes_asks_as_much_as_that_of_few(
    visit: Visit, bob: User, described: Described, node: Node, django_assert_max_num_queries: Any
) -> None:
    for number in range(2, 12):
        read(described.node(f"node-{number}", f"192.0.2.{number}"), node_facts(**OLD))
    client = visit(bob)
    with django_assert_max_num_queries(9):
        assert client.get(LIST).status_code == 200


@pytest.mark.parametrize(("facts", "refused"), [(OLD, True), ({"version": "0.0.9"}, False)])
def test_a_plan_leads_to_the_upgrade(
    visit: Visit, bob: User, described: Described, node: Node, facts: dict[str, Any], refused: bool
) -> None:
    read(node, node_facts(**facts))
    plan = deploys.preview(
        release=described.release(described.described_image()), services=node.services.all(), actor=described.alice
    )
    assert plan.parsed().refused == refused
    page = text_of(visit(bob).get(f"/projects/serbest/plans/{plan.hash}/"))
    assert f'href="{PAGE}#ffs-node"' in page
    read(node, node_facts())
    plan = deploys.preview(
        release=described.project.releases.get(), services=node.services.all(), actor=described.alice
    )
    assert "#ffs-node" not in text_of(visit(bob).get(f"/projects/serbest/plans/{plan.hash}/"))


def test_a_node_says_what_it_needs_no_more_and_an_operator_prunes_it(
    visit: Visit, bob: User, carol: User, described: Described, node: Node
) -> None:
    release = described.release(described.described_image())
    read(node, node_facts({"www": service_facts(release)}))
    assert "Prune now" not in text_of(visit(bob).get(PAGE))
    read(node, node_facts({"www": service_facts(release, releases=[1, 7, 8])}))
    page = text_of(visit(bob).get(PAGE))
    assert "2 releases. No release that runs, is wanted" in page
    assert "Prune now" in page
    assert "2 releases." in text_of(visit(carol).get(PAGE))
    assert "Prune now" not in text_of(visit(carol).get(PAGE))
    answer = visit(bob).post(f"{PAGE}prune/")
    asked = Operation.objects.get(kind="prune")
    assert answer["Location"] == f"/operations/{asked.pk}/"
    assert AuditEvent.objects.filter(action="operation.prune", target="node-a").exists()
    assert "node-a is in use since" in text_of(visit(bob).post(f"{PAGE}prune/"))
