"""Keys by which nodes are logged in to, on their pages."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import DashboardKey, HostKey, Node, OwedRotation
from deployments.services import requests
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation
from tests.web.conftest import Visit
from tests.web.described import Described

pytestmark = pytest.mark.django_db

PAGE, LIST = "/projects/serbest/nodes/node-a/", "/projects/serbest/nodes/"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
BUTTON = "Rotate the dashboard's key</button>"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split()).replace("&#x27;", "'")


@pytest.fixture
def node(described: Described) -> Node:
    node = described.node()
    described.service(node)
    HostKey.objects.create(node=node, kind=HostKey.Kind.PINNED, public_key=KEY, fingerprint="SHA256:x")
    return node


def test_an_operator_rotates_the_dashboards_key_and_is_told_when_the_node_is_in_use(
    visit: Visit, alice: User, bob: User, carol: User, node: Node
) -> None:
    assert BUTTON in text_of(visit(bob).get(PAGE))
    assert BUTTON not in text_of(visit(carol).get(PAGE))
    answer = visit(bob).post(f"{PAGE}rotate-key/")
    asked = Operation.objects.get(kind="rotate-ssh")
    assert answer.url == f"/operations/{asked.pk}/"
    assert AuditEvent.objects.get(action="operation.rotate-ssh").target == "node-a"
    assert "node-a is in use since" in text_of(visit(alice).post(f"{PAGE}rotate-key/"))
    visit(alice).post(f"{PAGE}rotate-key/", {"wait": "1"})
    assert Operation.objects.filter(kind="rotate-ssh").count() == 2


def test_all_nodes_of_a_project_are_rotated_and_those_in_use_are_owed_it(
    visit: Visit, alice: User, bob: User, node: Node, described: Described
) -> None:
    other = described.node(name="node-b")
    HostKey.objects.create(node=other, kind=HostKey.Kind.PINNED, public_key=KEY, fingerprint="SHA256:x")
    requests.request_enrolment(node=node, actor=alice)
    page = text_of(visit(bob).post("/projects/serbest/rotate-keys/", follow=True))
    assert "In use now: node-a. They get their new key by themselves when they are free." in page
    assert [target.label for target in Operation.objects.get(kind="rotate-ssh").targets.all()] == ["node-b"]
    assert OwedRotation.objects.get().node == node
    assert "A new key since" in text_of(visit(bob).get(PAGE))
    page = text_of(visit(bob).post("/projects/serbest/rotate-keys/", follow=True))
    assert "In use now: node-a, node-b" in page
    assert AuditEvent.objects.filter(action="rotate-ssh.owe").count() == 1


def test_before_a_first_contact_there_is_nothing_to_rotate(visit: Visit, bob: User, node: Node) -> None:
    HostKey.objects.all().delete()
    assert BUTTON not in text_of(visit(bob).get(PAGE))
    page = text_of(visit(bob).post("/projects/serbest/rotate-keys/", follow=True))
    assert "There was no first contact with any node yet" in page
    assert Operation.objects.count() == 0


def test_the_page_says_what_became_of_the_other_keys(visit: Visit, bob: User, node: Node) -> None:
    made = {"node": node, "public_key": KEY, "sealed_private_key": b"", "operation": 7}
    DashboardKey.objects.create(**made, state="retired")
    page = text_of(visit(bob).get(PAGE))
    assert "It was replaced, but the node was not seen to refuse it yet." in page
    assert "Finish the rotation</button>" in page
    DashboardKey.objects.update(refused_at=node.created_at)
    assert "Its private half is destroyed a day after that." in text_of(visit(bob).get(PAGE))
    DashboardKey.objects.update(state="destroyed")
    assert "Destroyed" in text_of(visit(bob).get(PAGE))
