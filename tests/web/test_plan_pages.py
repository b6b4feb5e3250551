"""A plan is made, shown, and put to work by its hash, by those who may, as long as it is true."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse

from deployments.models import HostKey, Node, Plan, Release, Service
from deployments.services.instances import remove_service
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Hold, Operation
from tests.deployments.facts import GB, node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(described: Described) -> Node:
    return described.node()


@pytest.fixture
def service(described: Described, node: Node) -> Service:
    return described.service(node)


@pytest.fixture
def release(described: Described) -> Release:
    described.settings("TOKEN=hunter2-sentinel\nCOLOUR=blue\n", plain=["COLOUR"])
    return described.release(described.described_image())


@pytest.fixture
def plan(visit: Visit, bob: User, service: Service, release: Release) -> Plan:
    """Made by bob from a reading in good order."""
    read(service.node)
    return made(visit, bob, service)


def ask(visit: Visit, person: User, *services: object, number: int = 1) -> Any:
    chosen = [getattr(service, "pk", service) for service in services]
    return visit(person).post(f"/projects/serbest/releases/{number}/plan/", {"service": chosen}, follow=False)


def made(visit: Visit, person: User, *services: object) -> Plan:
    answer = ask(visit, person, *services)
    assert answer.status_code == 303
    digest = answer["Location"].rstrip("/").rpartition("/")[2]
    return Plan.objects.get(hash=digest)


def page(visit: Visit, person: User, plan: Plan) -> str:
    answer = visit(person).get(f"/projects/serbest/plans/{plan.hash}/")
    assert answer.status_code == 200
    assert_well_made(answer.content.decode())
    return answer.content.decode()


def deploy(visit: Visit, person: User, plan: Plan) -> HttpResponse:
    return visit(person).post(f"/projects/serbest/plans/{plan.hash}/deploy/", follow=True)  # type: ignore[return-value]


def nothing_was_started() -> None:
    assert not Operation.objects.filter(kind="deploy").exists()
    assert not Hold.objects.exists()
    assert not AuditEvent.objects.filter(action="deploy.request").exists()


def test_the_plan_says_what_would_change_and_no_secret(visit: Visit, bob: User, plan: Plan) -> None:
    shown = page(visit, bob, plan)
    assert "www on node-a" in shown
    assert "none → 1" in shown
    assert "1 to send, 0 held by the node" in shown
    assert "330.0 kB of 1.0 MB" in shown
    assert "assumed, nothing was measured yet" in shown
    assert "env.TOKEN" in shown
    assert "COLOUR=blue" in shown
    assert "ready" in shown
    assert f'action="/projects/serbest/plans/{plan.hash}/deploy/"' in shown
    assert "hunter2" not in shown
    assert "hunter2" not in str(plan.body)


def test_deploy_enqueues_exactly_the_plan_with_its_holds_and_an_event(
    visit: Visit, bob: User, plan: Plan, service: Service
) -> None:
    answer = deploy(visit, bob, plan)
    operation = Operation.objects.get(kind="deploy")
    assert answer.redirect_chain == [(f"/operations/{operation.pk}/", 303)]  # type: ignore[attr-defined]
    assert (operation.plan_hash, operation.params["plan"]) == (plan.hash, plan.body)
    assert (operation.title, operation.actor_name) == ("Deploy release 1 to www@node-a", "bob")
    assert [target.key for target in operation.targets.all()] == [service.resource]
    # The node too: it was never contacted, and the first contact changes its host key.
    assert set(operation.holds.values_list("resource", flat=True)) == {service.resource, service.node.resource}
    event = AuditEvent.objects.get(action="deploy.request")
    assert (event.actor_name, event.target) == ("bob", "release 1")
    assert event.detail == {"plan": plan.hash, "operation": operation.pk, "services": ["www@node-a"]}
    assert not AuditEvent.objects.filter(detail_json__contains="hunter2").exists()


def test_what_a_plan_warns_of_has_to_be_confirmed_before_anything_is_begun(
    visit: Visit, bob: User, service: Service, release: Release
) -> None:
    read(service.node, node_facts(reboot_pending=True))
    plan = made(visit, bob, service)
    shown = page(visit, bob, plan)
    assert "I know what it warns of (1)" in shown
    assert_well_made(shown)
    address = f"/projects/serbest/plans/{plan.hash}/deploy/"
    for values in ({}, {"aware": ""}, {"aware": "no"}):
        assert "Confirm first" in visit(bob).post(address, values, follow=True).content.decode()
    nothing_was_started()
    visit(bob).post(address, {"aware": "yes"}, follow=True)
    assert Operation.objects.get(kind="deploy").plan_hash == plan.hash


def test_a_node_whose_key_is_pinned_stays_free_for_its_other_services(
    visit: Visit, bob: User, plan: Plan, service: Service
) -> None:
    HostKey.objects.create(node=service.node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 A", fingerprint="x")
    deploy(visit, bob, plan)
    assert list(Hold.objects.values_list("resource", flat=True)) == [service.resource]


def test_a_viewer_sees_the_plan_and_cannot_deploy_it(visit: Visit, carol: User, plan: Plan, service: Service) -> None:
    shown = page(visit, carol, plan)
    assert "none → 1" in shown
    assert "/deploy/" not in shown
    assert deploy(visit, carol, plan).status_code == 403
    assert ask(visit, carol, service).status_code == 403
    nothing_was_started()


def test_the_plan_of_another_project_is_not_there(visit: Visit, plan: Plan, mallory: User) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    for project in ("other", "serbest"):
        assert visit(mallory).get(f"/projects/{project}/plans/{plan.hash}/").status_code == 404
        assert visit(mallory).post(f"/projects/{project}/plans/{plan.hash}/deploy/").status_code == 404
    nothing_was_started()


def test_a_service_of_another_project_is_not_planned(
    visit: Visit, bob: User, mallory: User, service: Service, release: Release
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    theirs = Described(other, mallory).service(Described(other, mallory).node("node-z", "192.0.2.9"))
    assert ask(visit, bob, theirs)["Location"] == "/projects/serbest/releases/1/"
    assert not Plan.objects.exists()
    plan = made(visit, bob, service, theirs)
    assert [target.key for target in plan.parsed().targets] == [service.resource]


@pytest.mark.parametrize(
    "chosen", [[], ["x"], ["-1"], ["²"], ["٣"], ["0"], [str(10**30)], ["9" * 5000], ["1\0"], ["999999"]]
)
def test_a_choice_that_names_no_service_makes_no_plan(
    visit: Visit, bob: User, release: Release, chosen: list[str]
) -> None:
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": chosen}, follow=True)
    assert answer.status_code == 200
    assert b"Choose at least one service." in answer.content
    assert not Plan.objects.exists()


def test_what_no_unit_can_hold_is_said_on_the_page(
    visit: Visit, bob: User, service: Service, release: Release
) -> None:
    Service.objects.update(ports=[{"host": 0, "container": 8443, "protocol": "tcp"}])
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": [service.pk]}, follow=True)
    assert b"www@node-a cannot have release 1" in answer.content
    assert not Plan.objects.exists()


def overtaken_by_a_reading(service: Service) -> None:
    read(service.node, node_facts({"www": service_facts(None, unit_sha256="c3" * 32)}))


def overtaken_by_an_edit(service: Service) -> None:
    Service.objects.filter(pk=service.pk).update(ports=[{"host": 444, "container": 8443, "protocol": "tcp"}])


def overtaken_by_a_full_disk(service: Service) -> None:
    full = {"free": 1_000_000, "total": 40 * GB}
    read(service.node, node_facts(disk={"images": full, "var": full}))


def overtaken_by_silence(service: Service) -> None:
    read(service.node, error="Nothing listens there.")


@pytest.mark.parametrize(
    "overtaken", [overtaken_by_a_reading, overtaken_by_an_edit, overtaken_by_a_full_disk, overtaken_by_silence]
)
def test_a_plan_that_is_no_longer_true_says_so_and_is_not_put_to_work(
    visit: Visit, bob: User, plan: Plan, service: Service, overtaken: Any
) -> None:
    overtaken(service)
    shown = page(visit, bob, plan)
    assert "Make a fresh plan" in shown
    assert "/deploy/" not in shown
    answer = deploy(visit, bob, plan)
    assert b"Nothing was started: make a fresh plan." in answer.content
    nothing_was_started()
    refused = AuditEvent.objects.get(action="deploy.refused")
    assert (refused.actor_name, refused.detail["plan"]) == ("bob", plan.hash)
    assert made(visit, bob, service).hash != plan.hash


def test_a_refused_plan_shows_why_and_is_not_put_to_work(
    visit: Visit, bob: User, service: Service, release: Release
) -> None:
    read(service.node, error="Nothing listens at 192.0.2.1.")
    plan = made(visit, bob, service)
    shown = page(visit, bob, plan)
    assert "This cannot be done now" in shown
    assert "Nothing listens at 192.0.2.1." in shown
    assert "/deploy/" not in shown
    assert b"The plan is refused" in deploy(visit, bob, plan).content
    nothing_was_started()


def test_one_node_that_was_never_read_refuses_the_deploy_for_all(
    visit: Visit, bob: User, described: Described, service: Service, release: Release
) -> None:
    other = described.service(described.node("node-b", "192.0.2.2"))
    read(service.node)
    plan = made(visit, bob, service, other)
    assert "never read" in page(visit, bob, plan)
    deploy(visit, bob, plan)
    nothing_was_started()


def test_a_busy_service_is_told_with_who_has_it(visit: Visit, alice: User, bob: User, plan: Plan) -> None:
    deploy(visit, alice, plan)
    answer = deploy(visit, bob, plan)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert_well_made(page)
    for part in ("which alice asked for", "Nothing was started", "Queue it", "stays bound to this plan"):
        assert part in page
    assert Operation.objects.filter(kind="deploy").count() == 1
    assert AuditEvent.objects.get(action="deploy.refused").actor_name == "bob"


def test_a_deploy_may_wait_for_its_turn_and_says_behind_whom(
    visit: Visit, alice: User, bob: User, plan: Plan
) -> None:
    deploy(visit, alice, plan)
    answer = visit(bob).post(f"/projects/serbest/plans/{plan.hash}/deploy/", {"wait": "1"}, follow=True)
    first, second = Operation.objects.filter(kind="deploy").order_by("pk")
    assert answer.redirect_chain == [(f"/operations/{second.pk}/", 303)]
    page = answer.content.decode()
    assert_well_made(page)
    assert "It waits for its turn" in page
    assert f'href="/operations/{first.pk}/"' in page
    assert "(alice)" in page
    assert not second.holds.exists()
    third = deploy(visit, bob, plan).content.decode()
    assert "1 operation waits for it already, and comes first." in third
    assert AuditEvent.objects.filter(action="deploy.request").latest("pk").detail["wait"] is True


def test_the_plan_of_a_service_that_was_removed_is_still_shown(
    visit: Visit, alice: User, bob: User, plan: Plan, service: Service
) -> None:
    remove_service(service=service, actor=alice)
    assert "Make a fresh plan" in page(visit, bob, plan)
    assert b"Nothing was started" in deploy(visit, bob, plan).content
    nothing_was_started()


def test_the_plan_of_another_version_of_ffsweb_asks_for_a_fresh_one(
    visit: Visit, bob: User, plan: Plan, service: Service
) -> None:
    Plan.objects.update(body={"kind": "deploy", "project": "serbest", "release": 1, "unknown": True})
    for answer in (visit(bob).get(f"/projects/serbest/plans/{plan.hash}/", follow=True), deploy(visit, bob, plan)):
        assert answer.status_code == 200
        assert b"another version of ffsweb" in answer.content
    nothing_was_started()


def test_a_plan_made_again_counts_from_now(visit: Visit, bob: User, plan: Plan, service: Service) -> None:
    long_ago = plan.created_at.replace(year=2020)
    Plan.objects.update(created_at=long_ago)
    again = made(visit, bob, service)
    assert again.pk == plan.pk
    assert again.created_at > long_ago


def test_another_certificate_is_a_change_of_the_plan(
    visit: Visit, bob: User, plan: Plan, service: Service, described: Described
) -> None:
    from tests.certificates import material

    certificate = described.certificate(material.server(), material.intermediate())
    Service.objects.update(certificate=certificate)
    assert "/deploy/" not in page(visit, bob, plan)
    fresh = made(visit, bob, service)
    assert f"none → {certificate.fingerprint[:12]}" in page(visit, bob, fresh)
    assert "cert_pass" in page(visit, bob, fresh)


def test_many_services_are_planned_with_the_same_queries(
    visit: Visit, bob: User, described: Described, release: Release, django_assert_max_num_queries: Any
) -> None:
    services = [described.service(described.node(f"n{number}", "192.0.2.1")) for number in range(12)]
    for service in services:
        read(service.node, node_facts({"www": service_facts(release)}))
    client = visit(bob)
    with django_assert_max_num_queries(25):
        answer = client.post("/projects/serbest/releases/1/plan/", {"service": [row.pk for row in services]})
    with django_assert_max_num_queries(16):
        assert client.get(answer["Location"]).status_code == 200
    with django_assert_max_num_queries(45):
        assert client.post(answer["Location"] + "deploy/").status_code == 303
    assert Operation.objects.filter(kind="deploy").count() == 1


@pytest.mark.parametrize("digest", ["nothing", "a" * 64, "%00", "%F0%9F%92%A9", "x" * 500])
def test_an_address_that_names_no_plan_is_not_there(visit: Visit, bob: User, project: Project, digest: str) -> None:
    assert visit(bob).get(f"/projects/serbest/plans/{digest}/").status_code == 404
    assert visit(bob).post(f"/projects/serbest/plans/{digest}/deploy/").status_code == 404
