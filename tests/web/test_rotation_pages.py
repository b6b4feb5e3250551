"""Rotating a certificate from a service's page: who may, what is offered, and what the plan says."""

from __future__ import annotations

import pytest

from certificates.models import Certificate
from deployments.models import Plan, Service
from ffsweb.accounts.models import Project, User
from tests.certificates.material import issue
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificates(described: Described) -> list[Certificate]:
    return [described.certificate(issue(name, names=(f"{name}.example.org",))) for name in ("old", "new")]


@pytest.fixture
def service(described: Described, certificates: list[Certificate]) -> Service:
    node, release = described.node(), described.release(described.described_image())
    row = described.service(node, certificate=certificates[0])
    Service.objects.filter(pk=row.pk).update(live_release=release)
    read(node, node_facts({"www": service_facts(release, certificate=certificates[0].version)}))
    return Service.objects.select_related("node", "project", "live_release").get(pk=row.pk)


def page_of(service: Service) -> str:
    return f"{service.get_absolute_url()}rotate/"


def plan(visit: Visit, person: User, service: Service, certificate: object, kind: str = "rotate") -> Plan | int:
    values = {"service": service.pk, "certificate": certificate, "kind": kind}
    answer = visit(person).post("/projects/serbest/releases/1/plan/", values)
    if answer.status_code != 303:
        return int(answer.status_code)
    return Plan.objects.latest("created_at")


def test_the_other_certificates_are_offered_and_the_plan_names_old_and_new(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    page = visit(bob).get(page_of(service))
    assert_well_made(page.content.decode())
    assert [row for row, _, _ in page.context["choices"]] == [certificates[1]]
    made = plan(visit, bob, service, certificates[1].pk)
    assert isinstance(made, Plan)
    assert made.parsed().kind == "rotate"
    shown = visit(bob).get(f"/projects/serbest/plans/{made.hash}/")
    assert_well_made(shown.content.decode())
    text = shown.content.decode()
    assert f"{certificates[0].version[:12]} → {certificates[1].version[:12]}" in text
    assert "Rotate</button>" in text
    assert "The new certificate is not for old.example.org." in text


def test_a_rotation_is_asked_for_by_the_hash_of_its_plan(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    made = plan(visit, bob, service, certificates[1].pk)
    assert isinstance(made, Plan)
    answer = visit(bob).post(f"/projects/serbest/plans/{made.hash}/deploy/", {"aware": "yes"})
    assert answer.status_code == 303
    assert answer["Location"].startswith("/operations/")
    assert Service.objects.get(pk=service.pk).certificate == certificates[0]  # until it is proven


def test_the_choice_of_no_handshake_is_said_plainly(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    made = plan(visit, bob, service, certificates[1].pk, "rotate-file")
    assert isinstance(made, Plan)
    assert "the file alone is replaced" in visit(bob).get(f"/projects/serbest/plans/{made.hash}/").content.decode()


def test_a_viewer_and_a_stranger_cannot_rotate(
    visit: Visit, carol: User, mallory: User, service: Service, certificates: list[Certificate]
) -> None:
    assert visit(carol).get(page_of(service)).status_code == 403
    assert visit(mallory).get(page_of(service)).status_code == 404
    assert plan(visit, carol, service, certificates[1].pk) == 403
    assert "Rotate the certificate" not in visit(carol).get(service.get_absolute_url()).content.decode()


@pytest.mark.parametrize("certificate", ["999999", "nothing", "", "9" * 40])
def test_a_certificate_that_is_not_there_makes_no_plan(
    visit: Visit, bob: User, service: Service, certificate: str
) -> None:
    assert plan(visit, bob, service, certificate) == 404
    assert not Plan.objects.exists()


def test_the_certificate_of_another_project_is_not_there(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    other = Project.objects.create(name="other")
    Certificate.objects.filter(pk=certificates[1].pk).update(project=other)
    assert plan(visit, bob, service, certificates[1].pk) == 404


def test_a_plan_whose_certificate_was_removed_is_stale(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    made = plan(visit, bob, service, certificates[1].pk)
    assert isinstance(made, Plan)
    certificates[1].delete()
    page = visit(bob).get(f"/projects/serbest/plans/{made.hash}/")
    assert page.context["stale"]
    assert_well_made(page.content.decode())


def test_without_another_certificate_or_a_release_the_page_says_what_to_do(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    certificates[1].delete()
    assert "There is no other certificate" in visit(bob).get(page_of(service)).content.decode()
    Service.objects.filter(pk=service.pk).update(live_release=None)
    assert visit(bob).get(page_of(service)).status_code == 303
