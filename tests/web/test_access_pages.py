"""Keys by which nodes are logged in to, on their pages."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.access import Held, HeldKey
from deployments.models import AccessKey, DashboardKey, HostKey, KeyOnNode, Node, OwedRotation
from deployments.models.access_key import keep_reading
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


# Operators' keys.

KEYS = "/projects/serbest/access-keys/"
NEW = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh"


def add(visit: Visit, who: User, line: str, **more: str) -> Any:
    return visit(who).post(f"{KEYS}add/", {"line": line, **more}, follow=True)


def test_an_admin_adds_a_key_and_it_is_brought_to_the_nodes(
    visit: Visit, alice: User, bob: User, carol: User, node: Node
) -> None:
    assert "No access keys yet" in text_of(visit(carol).get(KEYS))
    page = text_of(add(visit, alice, f"{KEY} alice@laptop"))
    assert "alice@laptop is wanted on every node of serbest." in page
    asked = Operation.objects.get(kind="access-keys")
    assert [target.label for target in asked.targets.all()] == ["node-a"]
    assert AuditEvent.objects.filter(action="access-key.add", target="alice@laptop").exists()
    page = text_of(visit(bob).get(KEYS))
    assert "0 of 1" in page
    assert "Add or replace one" not in page
    page = text_of(visit(carol).get(f"{PAGE}access-keys/"))
    assert "To be added" in page
    assert "Read, and bring what is owed" not in page
    assert "node-a is in use since" in text_of(visit(bob).post(f"{PAGE}access-keys/apply/"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "This field is required"),
        ("ssh-dss AAAAB3NzaC1kc3M= x", "DSA keys are broken"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "This is a private key"),
        (f'command="id" {KEY}', "Options before the type are not allowed"),
    ],
)
def test_what_is_no_usable_key_is_refused_with_the_reason(
    visit: Visit, alice: User, node: Node, line: str, words: str
) -> None:
    answer = add(visit, alice, line)
    assert (answer.status_code, words in text_of(answer)) == (422, True)
    assert not AccessKey.objects.exists()


def test_a_key_is_replaced_and_removed_and_the_last_one_stays(visit: Visit, alice: User, node: Node) -> None:
    add(visit, alice, f"{KEY} old")
    old = AccessKey.objects.get()
    add(visit, alice, f"{NEW} new", instead_of=str(old.pk))
    old.refresh_from_db()
    assert old.state == "removed"
    page = text_of(visit(alice).get(KEYS))
    assert "Nodes that owe it" in page
    last = AccessKey.objects.get(state="wanted")
    answer = visit(alice).post(f"{KEYS}{last.pk}/remove/", {"name": last.short})
    assert (answer.status_code, "is the last key of serbest" in text_of(answer)) == (422, True)
    add(visit, alice, f"{KEY} old again")
    assert visit(alice).post(f"{KEYS}{last.pk}/remove/", {"name": "something"}).status_code == 422
    visit(alice).post(f"{KEYS}{last.pk}/remove/", {"name": last.short})
    last.refresh_from_db()
    assert last.state == "removed"


def test_a_break_glass_key_has_no_button_that_removes_it(visit: Visit, alice: User, node: Node) -> None:
    add(visit, alice, f"{KEY} the safe", break_glass="on")
    add(visit, alice, f"{NEW} other")
    key = AccessKey.objects.get(break_glass=True)
    page = text_of(visit(alice).get(KEYS))
    assert "Break-glass" in page
    assert f"{KEYS}{key.pk}/remove/" not in page
    answer = visit(alice).post(f"{KEYS}{key.pk}/remove/", {"name": key.short})
    assert (answer.status_code, "never removes" in text_of(answer)) == (422, True)


def test_a_key_that_nobody_knows_is_shown_and_can_be_taken_over(
    visit: Visit, alice: User, bob: User, node: Node
) -> None:
    foreign = HeldKey("/home/core/.ssh/authorized_keys", KEY, "", "<b>eve</b>", heeded=True)
    keep_reading(node, {"core": Held((foreign,), ("AuthorizedKeysCommand /usr/bin/x",), 1, frozenset())})
    page = text_of(visit(bob).get(f"{PAGE}access-keys/"))
    assert "Not known here" in page
    assert "&lt;b&gt;eve&lt;/b&gt;" in page
    assert "AuthorizedKeysCommand /usr/bin/x" in page
    assert "1 line in the files of keys is not understood" in page
    assert "Take it over" not in page
    row = KeyOnNode.objects.get()
    assert visit(bob).post(f"{KEYS}adopt/{row.pk}/").status_code == 403
    visit(alice).post(f"{KEYS}adopt/{row.pk}/")
    assert AccessKey.objects.get().public_key == KEY
    assert "eve" in text_of(visit(alice).get(KEYS))


def test_an_operator_brings_the_keys_to_all_nodes(visit: Visit, bob: User, node: Node) -> None:
    visit(bob).post(f"{KEYS}apply/")
    assert Operation.objects.get(kind="access-keys").title == "Bring operators' keys to node-a"
    page = text_of(visit(bob).post(f"{KEYS}apply/", follow=True))
    assert "In use now: node-a" in page
    HostKey.objects.all().delete()
    assert "No node was contacted yet" in text_of(visit(bob).post(f"{KEYS}apply/", follow=True))


def test_operators_keys_wait_for_a_node_that_is_in_use_if_that_was_chosen(
    visit: Visit, alice: User, bob: User, node: Node
) -> None:
    requests.request_enrolment(node=node, actor=alice)
    asked = f"{PAGE}access-keys/apply/"
    assert visit(bob).post(asked).status_code == 409
    assert not Operation.objects.filter(kind="access-keys").exists()
    assert visit(bob).post(asked, {"wait": "1"}).status_code == 303
    assert Operation.objects.get(kind="access-keys").state == "queued"
