"""What programs change: the same services as the pages, the same refusals, and each request once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from deployments.models import Node, Release, Service
from deployments.oci import running_sums
from deployments.services import resumable
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Hold, Operation, Question
from ffsweb.rest import idempotency
from ffsweb.rest.models import KEPT, StoredAnswer
from tests.certificates.material import server
from tests.deployments.facts import GB, node_facts, read, service_facts

from .api import Program, problem
from .described import Described
from .tus import metadata, sha256

pytestmark = pytest.mark.django_db

P = "/projects/serbest"


@pytest.fixture
def service(described: Described) -> Service:
    return described.service(described.node())


@pytest.fixture
def release(described: Described) -> Release:
    return described.release(described.described_image())


@pytest.fixture
def program(bob: User) -> Program:
    return Program(bob)


def planned(program: Program, **more: Any) -> Any:
    return program.post(f"{P}/plans", {"release": 1, "services": ["www@node-a"], **more}, 201)


def test_a_fleet_is_described_and_deployed_to_from_nothing(alice: User, described: Described) -> None:
    program = Program(alice)
    node = {"name": "node-a", "address": "192.0.2.1", "tags": ["eu", "canary"], "bandwidth": "5 MB/s"}
    assert program.post(f"{P}/nodes", node, 201)["tags"] == ["eu", "canary"]
    asked = {"name": "www", "ports": ["443:8443", "53:5353/udp"], "settle": 3}
    made = program.post(f"{P}/nodes/node-a/services", asked, 201)
    assert (made["ports"], made["settle"], made["live_release"]) == (["443:8443", "53:5353/udp"], 3, None)
    image = described.described_image()
    release = program.post(f"{P}/releases", {"image": image.image_id, "note": "first"}, 201)
    assert (release["number"], release["note"], release["created_by"]) == (1, "first", "alice")
    read(Node.objects.get())
    plan = planned(program)
    assert (plan["refused"], plan["stale"], plan["targets"][0]["service"]) == (False, False, "www@node-a")
    assert program.get(f"{P}/plans/{plan['hash']}")["hash"] == plan["hash"]
    started = program.post(f"{P}/plans/{plan['hash']}/deploy", {"aware": True}, 202)
    assert (started["kind"], started["plan"], started["state"]) == ("deploy", plan["hash"], "queued")
    event = AuditEvent.objects.get(action="deploy.request")
    assert (event.actor_name, '"by_token":"ci"' in event.detail_json) == ("alice", True)


@pytest.mark.parametrize(
    ("path", "body", "at", "said"),
    [
        ("/nodes", {"name": "Node A", "address": "192.0.2.1"}, "body.name", "lower-case"),
        ("/nodes", {"name": "b", "address": "no such"}, "body.address", "neither an IP address"),
        ("/nodes", {"name": "b", "address": "b", "operator_keys": ["none"]}, "body.operator_keys", "Line 1"),
        ("/nodes", {"name": "node-a", "address": "b"}, "body.name", "has a node of this name"),
        ("/nodes", {"name": "b\0", "address": "b"}, "body.name", "NUL character"),
        ("/nodes/node-a/services", {"name": "web", "ports": ["22:22"]}, "body.ports", "SSH"),
        ("/nodes/node-a/services", {"name": "web", "certificate": 99}, "body.certificate", "valid choice"),
        ("/nodes", {"name": "b", "adress": "b"}, "body.adress", "Extra inputs"),
        ("/plans", {"release": 1, "services": ["www@node-a"], "rollout": {"waves": "x"}}, "body", "Wave 1 reads"),
    ],
)
def test_the_rules_of_the_forms_hold(
    alice: User, service: Service, release: Release, path: str, body: Any, at: str, said: str
) -> None:
    before = (Node.objects.count(), Service.objects.count())
    told = Program(alice).post(f"{P}{path}", body, 422)
    assert at in [each["at"] for each in told["errors"]]
    assert said in told["detail"] and told["detail"].endswith("Nothing was done.")
    assert (Node.objects.count(), Service.objects.count()) == before


def test_an_administrator_makes_a_project_and_is_its_admin(root: User) -> None:
    program = Program(root)
    made = program.post("/projects", {"name": "harbour", "title": "The harbour"}, 201)
    assert (made["name"], made["title"], made["role"]) == ("harbour", "The harbour", "admin")
    assert program.get("/projects/harbour") == made
    assert AuditEvent.objects.get(action="project.create").actor == root
    told = program.post("/projects", {"name": "harbour"}, 422)
    assert "already exists" in told["detail"] and told["errors"][0]["at"] == "body.name"
    assert "taken by the dashboard" in program.post("/projects", {"name": "new"}, 422)["detail"]
    assert "Nothing was done" in program.post("/projects", {"name": "../x"}, 422)["detail"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"release": "one", "services": []}', b"\xff"])
def test_a_body_that_is_none_is_refused(program: Program, release: Release, body: bytes) -> None:
    problem(program.ask("POST", f"{P}/plans", body), 400 if body in {b"{", b"\xff"} else 422)


def test_what_is_not_there_is_named(program: Program, service: Service, release: Release) -> None:
    assert "sha256:none" in program.post(f"{P}/releases", {"image": "sha256:none"}, 422)["detail"]
    image = release.image.image_id
    assert "no files 7" in program.post(f"{P}/releases", {"image": image, "files": 7}, 422)["detail"]
    assert "www@node-b" in program.post(f"{P}/plans", {"release": 1, "services": ["www@node-b"]}, 422)["detail"]
    program.post(f"{P}/plans", {"release": 2, "services": ["www@node-a"]}, 404)
    rotation = {"release": 1, "services": ["www@node-a"], "kind": "rotate", "certificate": 99}
    assert "a certificate of this project" in program.post(f"{P}/plans", rotation, 422)["detail"]


def test_a_plan_that_warns_refuses_or_is_overtaken_starts_nothing(
    program: Program, service: Service, release: Release, alice: User
) -> None:
    read(service.node, node_facts(disk={name: {"free": GB // 50, "total": 40 * GB} for name in ("images", "var")}))
    refused = planned(program)
    assert refused["refused"] and refused["targets"][0]["refusals"]
    program.post(f"{P}/plans/{refused['hash']}/deploy", {"aware": True}, 409)
    read(service.node)
    plan = planned(program)
    if plan["warnings"]:
        assert "aware" in program.post(f"{P}/plans/{plan['hash']}/deploy", {}, 409)["detail"]
    read(service.node, node_facts({"www": service_facts(release)}))
    assert program.get(f"{P}/plans/{plan['hash']}")["stale"]
    assert "fresh plan" in program.post(f"{P}/plans/{plan['hash']}/deploy", {"aware": True}, 409)["detail"]
    assert not Operation.objects.exists()


def test_what_is_in_use_is_said_or_waited_for(program: Program, service: Service, release: Release) -> None:
    path = f"{P}/nodes/node-a/services/www/control"
    first = program.post(path, {"verb": "restart"}, 202)
    told = program.post(path, {"verb": "stop"}, 409)
    assert told["operation"] == first["id"] and "in use since" in told["detail"]
    waits = program.post(path, {"verb": "stop", "wait": True}, 202)
    assert waits["state"] == "queued" and Hold.objects.filter(operation=waits["id"]).count() == 0
    program.post(path, {"verb": "explode"}, 422)
    assert program.post(f"/operations/{waits['id']}/cancel")["state"] == "cancelled"
    assert "ended already" in program.post(f"/operations/{waits['id']}/cancel", status=409)["detail"]
    assert program.post(f"{P}/nodes/node-a/read", status=202)["kind"] == "read"


def test_a_node_gets_another_key_of_the_dashboards_when_nobody_else_has_it(
    program: Program, service: Service
) -> None:
    path = f"{P}/nodes/node-a/rotate-ssh"
    first = program.post(path, {}, 202)
    assert first["kind"] == "rotate-ssh"
    assert AuditEvent.objects.filter(action="operation.rotate-ssh", target="node-a").count() == 1
    assert problem(program.ask("POST", path, {}), 409)["operation"] == first["id"]
    assert program.post(path, {"wait": True}, 202)["id"] != first["id"]


def test_a_question_is_answered_once(program: Program, project: Project) -> None:
    asking = Operation.objects.create(project=project, kind="deploy", title="Deploy", state="parked")
    Question.objects.create(operation=asking, name="wave-1", text="Go on?", choices={"go": "Go on", "back": "Back"})
    assert program.get(f"/operations/{asking.pk}")["question"]["choices"] == {"go": "Go on", "back": "Back"}
    program.post(f"/operations/{asking.pk}/answer", {"question": "wave-1", "choice": "else"}, 409)
    told = program.post(f"/operations/{asking.pk}/answer", {"question": "wave-1", "choice": "go"})
    assert told["question"] is None
    program.post(f"/operations/{asking.pk}/answer", {"question": "wave-1", "choice": "back"}, 409)
    assert Question.objects.get().answered_by == "bob"


def test_the_ways_back_of_a_service(described: Described, service: Service, program: Program) -> None:
    image = described.described_image()
    releases = [described.release(image), described.release(image)]
    Service.objects.update(live_release=releases[1])
    read(service.node, node_facts({"www": service_facts(releases[1])}))
    ways = program.get(f"{P}/nodes/node-a/services/www/releases")
    assert [(way["release"], way["live"], way["present"]) for way in ways] == [(2, True, None), (1, False, False)]
    assert "sent again" in ways[1]["lacking"]


def test_a_rotation_is_planned_like_a_deploy(described: Described, service: Service, release: Release) -> None:
    certificate = described.certificate(server())
    Service.objects.update(live_release=release)
    read(service.node, node_facts({"www": service_facts(release)}))
    plan = planned(Program(described.alice), kind="rotate", certificate=certificate.pk)
    assert (plan["kind"], plan["release"]) == ("rotate", 1)


# --- each request once ------------------------------------------------------------------------------------------


def test_a_request_that_is_sent_again_is_done_once_and_answered_alike(program: Program, service: Service) -> None:
    path, key = f"{P}/nodes/node-a/read", {"Idempotency-Key": "once-1"}
    first = program.ask("POST", path, **key)
    again = program.ask("POST", path, **key)
    assert first.status_code == again.status_code == 202
    assert first.content == again.content and again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Operation.objects.count() == 1
    assert AuditEvent.objects.filter(action="operation.read").count() == 1


def test_a_key_belongs_to_its_first_request_and_its_user(
    program: Program, service: Service, alice: User, described: Described
) -> None:
    key = {"Idempotency-Key": "once-1"}
    described.node("node-b", "192.0.2.2")
    program.post(f"{P}/nodes/node-a/read", status=202, **key)
    assert "another request" in program.post(f"{P}/nodes/node-b/read", status=422, **key)["detail"]
    assert "another request" in program.post(f"{P}/nodes/node-a/read", {"x": 1}, 422, **key)["detail"]
    Program(alice).post(f"{P}/nodes/node-b/read", status=202, **key)
    assert Operation.objects.count() == 2


def test_what_was_refused_may_be_sent_again_with_its_key(program: Program, service: Service) -> None:
    path, key = f"{P}/nodes/node-a/services/www/control", {"Idempotency-Key": "once-1"}
    held = program.post(path, {"verb": "stop"}, 202)
    program.post(path, {"verb": "start"}, 409, **key)
    program.post(f"/operations/{held['id']}/cancel")
    assert program.post(path, {"verb": "start"}, 202, **key)["state"] == "queued"


def test_a_mistake_of_ours_leaves_nothing_behind(
    program: Program, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(row: object) -> None:
        raise RuntimeError("after the work, before the answer")

    with monkeypatch.context() as patched:
        patched.setattr("deployments.api.changing.operation_shape", broken)
        program.post(f"{P}/nodes/node-a/read", status=500, **{"Idempotency-Key": "once-1"})
    assert not Operation.objects.exists() and not StoredAnswer.objects.exists()
    program.post(f"{P}/nodes/node-a/read", status=202, **{"Idempotency-Key": "once-1"})


def test_a_key_is_forgotten_after_a_day(program: Program, service: Service) -> None:
    key = {"Idempotency-Key": "once-1"}
    program.post(f"{P}/nodes/node-a/read", status=202, **key)
    with time_machine.travel(timezone.now() + KEPT):
        program.post(f"{P}/nodes/node-a/read", status=202, **key)
    assert Operation.objects.count() == 2 and StoredAnswer.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "tab\there"])
def test_a_key_that_is_none_is_refused(program: Program, service: Service, key: str) -> None:
    program.post(f"{P}/nodes/node-a/read", status=422, **{"Idempotency-Key": key})
    assert not Operation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_request_at_the_same_moment_is_told_to_wait(
    program: Program, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go = threading.Event(), threading.Event()
    digest = idempotency._digest

    def slow(request: Any) -> str:
        entered.set()
        assert go.wait(10)
        return digest(request)

    monkeypatch.setattr(idempotency, "_digest", slow)
    answers: list[Any] = []

    def send() -> None:
        try:
            answers.append(program.ask("POST", f"{P}/nodes/node-a/read", {}, **{"Idempotency-Key": "once-1"}))
        finally:
            connections.close_all()

    thread = threading.Thread(target=send)
    thread.start()
    assert entered.wait(10)
    second = Program(None, text=program.text)
    try:
        if connections["default"].vendor == "sqlite":  # there the first holds the database, so ask beside it
            with pytest.raises(Exception, match="under way"):
                idempotency.once(_request("once-1"), lambda: None)  # type: ignore[arg-type]
        else:
            second.post(f"{P}/nodes/node-a/read", {}, 409, **{"Idempotency-Key": "once-1"})
    finally:
        go.set()
        thread.join(20)
    assert [answer.status_code for answer in answers] == [202]
    assert Operation.objects.count() == 1


def _request(key: str) -> Any:
    user = SimpleNamespace(pk=User.objects.get(username="bob").pk)
    return SimpleNamespace(headers={"Idempotency-Key": key}, caller=SimpleNamespace(user=user))


# --- uploads ----------------------------------------------------------------------------------------------------


def test_an_archive_is_sent_in_parts_and_taken_in_once(program: Program, described: Described, data: Path) -> None:
    content = b"an archive, or not"
    said = metadata(filename="app.tar", what="image")
    tus = {"Tus-Resumable": "1.0.0"}
    begun = program.ask("POST", f"{P}/uploads", **tus, **{"Upload-Length": "18", "Upload-Metadata": said})
    assert begun.status_code == 201
    at = begun["Location"].removeprefix("/api/v1")
    sent = program.send_part(at, content[:10], 0)
    assert (sent.status_code, sent["Upload-Offset"]) == (204, "10")
    problem(program.send_part(at, content[:10], 0), 409)
    assert program.ask("HEAD", at, **tus)["Upload-Offset"] == "10"
    program.post(f"{at}/finish", {"sha256": sha256(content)}, 409)
    assert program.send_part(at, content[10:], 10).status_code == 204
    ended = program.post(f"{at}/finish", {"sha256": sha256(content)})
    assert program.post(f"{at}/finish", {"sha256": sha256(content)}) == ended
    assert program.get(f"/operations/{ended['operation']}")["kind"] == "import-image"


def test_the_end_of_an_upload_is_asked_for_with_a_key_until_it_is_there(
    program: Program, described: Described, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": metadata(filename="a", what="image")}
    at = program.ask("POST", f"{P}/uploads", **said)["Location"].removeprefix("/api/v1")
    assert program.send_part(at, b"an image.", 0).status_code == 204
    resumable.SUMS.forget(at.rpartition("/")[2])  # as after a restart
    key, sent = {"Idempotency-Key": "once-1"}, {"sha256": sha256(b"an image.")}
    with monkeypatch.context() as patched:
        patched.setattr(resumable, "CHECK_SECONDS", -1.0)
        patched.setattr(running_sums, "SLICE", 4)
        assert program.post(f"{at}/finish", sent, **key)["operation"] is None
    ended = program.post(f"{at}/finish", sent, **key)
    assert ended["operation"] == Operation.objects.get().pk
    assert program.post(f"{at}/finish", sent, **key) == ended
    assert not StoredAnswer.objects.exists()


def test_uploads_are_for_operators_and_for_their_owner(
    program: Program, alice: User, carol: User, mallory: User, data: Path
) -> None:
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": metadata(filename="a", what="files")}
    at = program.ask("POST", f"{P}/uploads", **said)["Location"].removeprefix("/api/v1")
    for person, status in ((carol, 403), (mallory, 404)):
        problem(Program(person).ask("POST", f"{P}/uploads", **said), status)
        problem(Program(person).send_part(at, b"x", 0), status)
    problem(Program(alice).send_part(at, b"x", 0), 404)
    problem(Program(None).ask("POST", f"{P}/uploads", **said), 401)
    problem(program.ask("GET", at, **said), 405)
    problem(program.ask("POST", f"{P}/uploads"), 412)
