"""Programs keep nodes in order and have them forgotten, by the services and with the refusals of the pages."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core import layout
from deployments.models import Node, Service
from deployments.nodekit.released import ffs_node_program
from deployments.services import deploys
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Hold, Operation
from tests.deployments.facts import node_facts, read
from tests.support.threads import at_once

from .api import Program, problem
from .described import Described

pytestmark = pytest.mark.django_db

P = "/projects/serbest"
N = f"{P}/nodes/node-a"
S = f"{N}/services/www"
WHY = "Its disk is replaced."
OLD = {"version": "0.0.9", "protocol": layout.PROTOCOL - 1}
CALLS: tuple[tuple[str, dict[str, Any], str], ...] = (
    (f"{N}/cordon", {"reason": WHY}, "operator"),
    (f"{N}/uncordon", {}, "operator"),
    (f"{N}/prune", {}, "operator"),
    (f"{N}/upgrade", {}, "operator"),
    (f"{P}/upgrade", {}, "operator"),
    (f"{S}/remove", {"name": "www"}, "admin"),
    (f"{N}/remove", {"name": "node-a"}, "admin"),
)


@pytest.fixture
def node(described: Described) -> Node:
    node = described.node()
    described.service(node)
    read(node)
    return node


@pytest.fixture
def program(bob: User) -> Program:
    return Program(bob)


def events() -> list[str]:
    """What was done, beside what the tests themselves prepared."""
    found = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    return [each for each in found if not each.startswith("token.") and not each.endswith((".create", ".make"))]


@pytest.mark.parametrize(("path", "body", "role"), CALLS)
def test_who_may_not_changes_nothing(
    path: str, body: dict[str, Any], role: str, node: Node, bob: User, carol: User, mallory: User
) -> None:
    read(node, node_facts(**OLD))
    problem(Program(carol).ask("POST", path, body), 403)
    problem(Program(mallory).ask("POST", path, body), 404)
    problem(Program(None).ask("POST", path, body), 401)
    if role == "admin":
        problem(Program(bob).ask("POST", path, body), 403)
    assert (events(), Operation.objects.count(), Service.objects.count()) == ([], 0, 1)
    assert Node.objects.get().cordon == ""


def test_a_node_is_cordoned_and_uncordoned_each_once(program: Program, node: Node, described: Described) -> None:
    assert "was not cordoned" in program.post(f"{N}/uncordon", status=409)["detail"]
    key = {"Idempotency-Key": "once-1"}
    made = program.post(f"{N}/cordon", {"reason": f"  {WHY}\n"}, **key)
    assert made["cordon"].startswith("node-a is cordoned by bob since ") and made["cordon"].endswith(WHY)
    assert program.get(N)["cordon"] == made["cordon"]
    assert program.post(f"{N}/cordon", {"reason": f"  {WHY}\n"}, **key) == made
    told = program.post(f"{N}/cordon", {"reason": "Again"}, 409)["detail"]
    assert told == "node-a was cordoned already. Nothing was changed."
    release = described.release(described.described_image())
    plan = deploys.preview(release=release, services=node.services.all(), actor=described.alice)
    assert plan.parsed().refused
    assert program.post(f"{N}/uncordon")["cordon"] == ""
    assert events() == ["node.cordon", "node.uncordon"]
    event = AuditEvent.objects.get(action="node.cordon")
    assert (event.actor_name, event.target, event.detail["reason"]) == ("bob", "node-a", WHY)
    assert event.detail["by_token"] == "ci"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "\u200b\u200b", None])
def test_without_a_reason_nothing_is_cordoned(program: Program, node: Node, reason: str | None) -> None:
    told = program.post(f"{N}/cordon", {"reason": reason}, 422)
    assert [each["at"] for each in told["errors"]] == ["body.reason"]
    assert told["detail"].endswith("Nothing was done.")
    assert (Node.objects.get().cordon, events()) == ("", [])


@pytest.mark.parametrize("verb", ["prune", "upgrade"])
def test_a_busy_node_is_said_or_waited_for(verb: str, program: Program, node: Node) -> None:
    first = program.post(f"{N}/{verb}", {}, 202)
    assert (first["kind"], first["state"], first["actor"]) == (verb, "queued", "bob")
    assert set(Hold.objects.values_list("resource", flat=True)) == {node.resource, node.services.get().resource}
    event = AuditEvent.objects.get(action=f"operation.{verb}")
    assert (event.target, event.detail["operation"]) == ("node-a", first["id"])
    told = program.post(f"{N}/{verb}", {}, 409)
    assert told["operation"] == first["id"] and "in use since" in told["detail"]
    waits = program.post(f"{N}/{verb}", {"wait": True}, 202)
    assert waits["state"] == "queued" and not Hold.objects.filter(operation=waits["id"]).exists()
    assert program.post(f"{S}/control", {"verb": "stop"}, 409)["operation"] == first["id"]


def test_all_older_nodes_are_upgraded_but_those_in_use(program: Program, node: Node, described: Described) -> None:
    read(node, node_facts(program_sha256=ffs_node_program().sha256))
    assert "No node has an older" in program.post(f"{P}/upgrade", status=409)["detail"]
    other = described.node("node-b", "192.0.2.2")
    for each in (node, other, described.node("node-c", "192.0.2.3")):
        read(each, node_facts(**(OLD if each.name != "node-c" else {"version": "99"})))
    busy = program.post(f"{N}/services/www/control", {"verb": "restart"}, 202)
    made = program.post(f"{P}/upgrade", {}, 202)
    assert (made["kind"], made["title"], made["left_out"]) == ("upgrade", "Upgrade ffs-node on node-b", ["node-a"])
    assert AuditEvent.objects.get(action="operation.upgrade").detail["nodes"] == ["node-b"]
    told = program.post(f"{P}/upgrade", {}, 409)["detail"]
    assert told == "In use now: node-a, node-b. Nothing was started."
    program.post(f"/operations/{busy['id']}/cancel")
    assert program.post(f"{P}/upgrade", {}, 202)["title"] == "Upgrade ffs-node on node-a"


def test_a_node_is_forgotten_with_its_services_when_its_name_is_said(alice: User, node: Node) -> None:
    program = Program(alice)
    for wrong in ({"name": "node-b"}, {"name": ""}, {}, {"name": "node-a", "force": True}):
        told = program.post(f"{N}/remove", wrong, 422)
        assert told["errors"], wrong
    assert "This is not node-a. Nothing was removed." in program.post(f"{N}/remove", {"name": "x"}, 422)["detail"]
    assert (Node.objects.count(), events()) == (1, [])
    key = {"Idempotency-Key": "once-1"}
    gone = program.post(f"{N}/remove", {"name": "node-a"}, **key)
    assert gone == {"removed": ["node-a", "www@node-a"]}
    assert program.post(f"{N}/remove", {"name": "node-a"}, **key) == gone
    program.post(f"{N}/remove", {"name": "node-a"}, 404)
    assert not Node.objects.exists() and not Service.objects.exists()
    event = AuditEvent.objects.get(action="node.remove")
    assert (event.target, event.detail["services"], event.detail["by_token"]) == ("node-a", ["www"], "ci")


def test_a_service_is_forgotten_and_its_node_stays(alice: User, node: Node) -> None:
    program = Program(alice)
    program.post(f"{S}/remove", {"name": "www@node-a"}, 422)
    assert program.post(f"{S}/remove", {"name": "www"}) == {"removed": ["www@node-a"]}
    program.post(f"{S}/remove", {"name": "www"}, 404)
    assert program.get(N)["services"] == []
    assert events() == ["service.remove"]


def test_what_an_operation_is_at_work_on_stays(alice: User, node: Node) -> None:
    program = Program(alice)
    held = program.post(f"{S}/control", {"verb": "restart"}, 202)
    for path, name in ((S, "www"), (N, "node-a")):
        told = program.post(f"{path}/remove", {"name": name}, 409)
        assert told["operation"] == held["id"] and "Nothing was removed" in told["detail"]
    assert (Node.objects.count(), Service.objects.count()) == (1, 1)
    program.post(f"/operations/{held['id']}/cancel")
    program.post(f"{N}/remove", {"name": "node-a"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "name"), [(N, "node-a"), (S, "www")])
def test_of_two_who_remove_the_same_at_once_one_does(alice: User, node: Node, path: str, name: str) -> None:
    programs = [Program(alice) for _ in range(2)]
    answers = at_once(*(lambda by=by: by.ask("POST", f"{path}/remove", {"name": name}) for by in programs))
    assert sorted(answer.status_code for answer in answers) == [200, 404]
    assert [event for event in events() if event.endswith(".remove")] == [
        f"{'node' if path == N else 'service'}.remove"
    ]
