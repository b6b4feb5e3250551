"""What the API tells: the fleet as the pages show it, in pages, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone

from ffsweb.accounts.models import Role, User
from ffsweb.operations.models import LogLine, Operation, OperationTarget
from ffsweb.remote.keys import generate
from tests.certificates.material import server
from tests.deployments.facts import node_facts, read, service_facts

from .api import Program, problem
from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(carol: User) -> Program:
    return Program(carol)


def test_who_one_is(bob: User, described: Described) -> None:
    me = Program(bob, project=described.project, role=Role.VIEWER).get("/me")
    assert {name: me[name] for name in ("user", "token", "role", "project")} == {
        "user": "bob", "token": "ci", "role": "viewer", "project": "serbest",
    }  # fmt: skip
    assert Program(bob).get("/me")["project"] is None


def test_a_node_with_what_was_read_from_it(described: Described, program: Program) -> None:
    node = described.node(tags=["eu"])
    service = described.service(node)
    assert program.get("/projects/serbest/nodes/node-a")["facts"] is None
    release = described.release(described.described_image())
    read(node, node_facts({"www": service_facts(release)}))
    told = program.get("/projects/serbest/nodes/node-a")
    assert (told["address"], told["tags"], told["services"]) == ("192.0.2.1", ["eu"], ["www"])
    assert told["facts"]["hostname"] and told["facts"]["disk_total"] > 0
    listed = program.get("/nodes?project=serbest")["items"]
    assert [row["name"] for row in listed] == ["node-a"] and listed[0]["read_at"] == told["read_at"]
    told = program.get("/projects/serbest/nodes/node-a/services/www")
    assert (told["ports"], told["measured"]["release"], told["measured"]["active"]) == (["443:8443"], 1, "active")
    assert program.get("/services?node=node-a")["items"] == [told]
    assert told["id"] == service.pk


def test_a_release_names_its_settings_and_tells_none_of_their_values(described: Described, program: Program) -> None:
    described.settings("TOKEN=hunter2-sentinel\nCOLOUR=blue-sentinel\n", plain=["COLOUR"])
    described.release(described.described_image())
    told = program.get("/projects/serbest/releases/1")
    assert told["settings"] == ["COLOUR", "TOKEN"]
    assert program.get("/projects/serbest/releases")["items"] == [told]
    assert program.get("/projects/serbest/images")["items"][0]["image_id"] == told["image"]
    assert program.get("/projects/serbest/files")["items"] == []
    assert "sentinel" not in json.dumps(told)


def test_keys_and_certificates_are_public_halves_alone(described: Described, program: Program, data: Path) -> None:
    node = described.node(operator_keys="\n".join(generate(comment=name)[1] for name in ("one", "two")))
    described.machine_file(node)
    keys = program.get("/projects/serbest/nodes/node-a/keys")
    assert keys["dashboard"] == node.public_key and len(keys["operators"]) == 2
    assert [key["kind"] for key in keys["host"]] == ["bootstrap"]
    certificate = described.certificate(server())
    told = program.get(f"/projects/serbest/certificates/{certificate.pk}")
    assert told["chain_pem"].startswith("-----BEGIN CERTIFICATE-----") and "PRIVATE" not in json.dumps(told)
    assert program.get("/certificates")["items"][0]["fingerprint"] == told["fingerprint"]


def test_lists_come_in_pages_that_nothing_moves(described: Described, program: Program) -> None:
    for number in range(5):
        described.node(f"node-{number}", f"192.0.2.{number + 1}")
    first = program.get("/nodes?limit=2")
    described.node("node-9", "192.0.2.9")
    names, following = [row["name"] for row in first["items"]], first["next"]
    while following:
        page = program.get(f"/nodes?limit=2&after={following}")
        names, following = [*names, *(row["name"] for row in page["items"])], page["next"]
    assert names == ["node-0", "node-1", "node-2", "node-3", "node-4", "node-9"]


@pytest.fixture
def operation(described: Described) -> Operation:
    made = Operation.objects.create(
        project=described.project, kind="test", title="A test", actor_name="bob", state="succeeded"
    )
    target = OperationTarget.objects.create(operation=made, key="node:1", label="node-a", state="succeeded")
    LogLine.objects.bulk_create(
        LogLine(operation=made, number=n, at=timezone.now(), target=target, stream="out", text=f"\x1b[31mline {n}")
        for n in range(1, 11)
    )
    return made


def test_an_operation_and_ranges_of_its_log(operation: Operation, program: Program) -> None:
    told = program.get(f"/operations/{operation.pk}")
    assert (told["state"], told["finished"], told["actor"]) == ("succeeded", True, "bob")
    assert [target["label"] for target in told["targets"]] == ["node-a"]

    def numbers(query: str) -> list[int]:
        return [line["number"] for line in program.get(f"/operations/{operation.pk}/lines?{query}")["lines"]]

    assert numbers("after=7") == [8, 9, 10]
    assert numbers("after=2&limit=3") == [3, 4, 5]
    assert numbers("before=4&limit=2") == [2, 3]
    assert numbers("before=2") == [1] and numbers("before=1") == [] and numbers("after=10") == []
    lines = program.get(f"/operations/{operation.pk}/lines?after=9")
    assert lines["last"] == 10 and lines["finished"] is True
    assert (lines["lines"][0]["text"], lines["lines"][0]["target"]) == ("line 10", "node-a")
    assert [row["id"] for row in program.get("/operations?state=succeeded")["items"]] == [operation.pk]
    assert program.get("/operations?state=active")["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/projects/serbest/nodes/none", 404),
        ("GET", "/operations/999999999999999999999999", 404),
        ("DELETE", "/me", 405),
        ("GET", "/nodes?limit=0", 422),
        ("GET", "/nodes?after=9007199254740992", 422),
        ("GET", "/nodes?after=x", 422),
        ("GET", "/nodes?projekt=serbest", 422),
        ("GET", "/operations?state=never", 422),
        ("GET", "/nodes?project=%00", 422),
        ("GET", "/projects/%00", 404),
    ],
)
def test_what_goes_wrong_is_a_problem(
    described: Described, program: Program, method: str, path: str, status: int
) -> None:
    problem(program.ask(method, path), status)


def test_a_mistake_of_ours_is_a_problem_too(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffsweb.rest.caller.Caller.projects", lambda self: 1 / 0)
    assert "mistake" in problem(program.ask("GET", "/projects"), 500)["detail"]


def test_the_description_is_a_page_and_a_file_and_neither_asks_another_host(visit: Visit, carol: User) -> None:
    page = visit(carol).get("/api/docs").content.decode()
    assert_well_made(page)
    assert "/api/v1/projects/{project}/nodes/{node}" in page and "Takes the role viewer" in page
    assert visit(None).get("/api/openapi.json").json()["openapi"] == "3.1.0"
    assert "https://" not in page
