"""Rotating a certificate from a service's page: who may, what is offered, and what the plan says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Certificate
from deployments.models import HadCertificate, Plan, Release, Service
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


def second(described: Described, service: Service, name: str, release: Release | None) -> Service:
    """Another service with the same certificate."""
    row = described.service(described.node(name), certificate=service.certificate)
    Service.objects.filter(pk=row.pk).update(live_release=release)
    return row


def address(certificate: Certificate, what: str = "") -> str:
    return f"{certificate.get_absolute_url()}{what}"


def test_a_certificates_page_leads_to_the_rotation_of_all_that_use_it(
    visit: Visit, described: Described, bob: User, carol: User, service: Service, certificates: list[Certificate]
) -> None:
    old, new = certificates
    other = second(described, service, "node-b", service.live_release)
    waiting = second(described, service, "node-c", None)
    Certificate.objects.filter(pk=new.pk).update(replaces=old)
    assert f'href="{address(old, "rotate/")}?to={new.pk}"' in visit(bob).get(address(old)).content.decode()
    assert f'href="{address(old, "rotate/")}?to={new.pk}"' in visit(bob).get(address(new)).content.decode()
    assert "rotate/" not in visit(carol).get(address(old)).content.decode()
    page = visit(bob).get(address(old, "rotate/"), {"to": new.pk})
    assert_well_made(page.content.decode())
    ((release, services, _),) = page.context["groups"]
    assert (release, services) == (service.live_release, [service, other])
    assert page.context["unborn"] == [waiting]
    assert page.context["choices"][0][::2] == (new, "made to replace it")
    values = {"service": [service.pk, other.pk], "certificate": new.pk, "kind": "rotate", "waves": "1, rest"}
    assert visit(bob).post("/projects/serbest/releases/1/plan/", values).status_code == 303
    made = Plan.objects.get().parsed()
    assert (made.kind, [len(wave) for wave in made.waves]) == ("rotate", [1, 1])


def test_services_of_different_releases_get_a_plan_for_each(
    visit: Visit, described: Described, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    release = described.release(described.described_image("two"))
    second(described, service, "node-b", release)
    page = visit(bob).get(address(certificates[0], "rotate/"))
    assert_well_made(page.content.decode())
    assert [group[0] for group in page.context["groups"]] == [release, service.live_release]
    assert "each release has a plan of its own" in page.content.decode()


def test_what_a_service_had_before_is_restored_from_its_page(
    visit: Visit, bob: User, carol: User, service: Service, certificates: list[Certificate]
) -> None:
    old, new = certificates
    Service.objects.filter(pk=service.pk).update(certificate=new)
    HadCertificate.objects.create(service=service, certificate=old, until=timezone.now())
    page = visit(bob).get(service.get_absolute_url())
    assert_well_made(page.content.decode())
    assert "Certificates from before" in page.content.decode()
    assert "Restore<span" not in visit(carol).get(service.get_absolute_url()).content.decode()
    made = plan(visit, bob, Service.objects.get(pk=service.pk), old.pk)
    assert isinstance(made, Plan)
    assert made.parsed().targets[0].certificate.new == old.version


def test_what_services_had_before_is_restored_from_the_certificates_page(
    visit: Visit, bob: User, alice: User, service: Service, certificates: list[Certificate]
) -> None:
    old, new = certificates
    Service.objects.filter(pk=service.pk).update(certificate=new)
    assert "No service had this certificate" in visit(bob).get(address(old, "restore/")).content.decode()
    HadCertificate.objects.create(service=service, certificate=old, until=timezone.now())
    assert address(old, "restore/") in visit(bob).get(address(old)).content.decode()
    page = visit(bob).get(address(old, "restore/"))
    assert_well_made(page.content.decode())
    assert [row for row, _, _ in page.context["choices"]] == [old]
    assert page.context["groups"][0][1] == [service]
    assert "cannot be restored there any more" in visit(alice).get(address(old, "remove/")).content.decode()
    assert visit(alice).post(address(old, "remove/")).status_code == 303
    assert not HadCertificate.objects.exists()


def test_an_expired_certificate_is_not_offered_back(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    old, new = certificates
    Service.objects.filter(pk=service.pk).update(certificate=new)
    Certificate.objects.filter(pk=old.pk).update(not_after=timezone.now() - timedelta(days=1))
    HadCertificate.objects.create(service=service, certificate=old, until=timezone.now())
    assert "Restore<span" not in visit(bob).get(service.get_absolute_url()).content.decode()
    assert "one that has expired cannot be chosen" in visit(bob).get(address(old, "restore/")).content.decode()


@pytest.mark.parametrize("what", ["rotate/", "restore/"])
def test_only_operators_reach_a_rotation_from_a_certificate(
    visit: Visit, carol: User, mallory: User, bob: User, certificates: list[Certificate], what: str
) -> None:
    assert visit(carol).get(address(certificates[0], what)).status_code == 403
    assert visit(mallory).get(address(certificates[0], what)).status_code == 404
    assert visit(bob).get(f"/projects/serbest/certificates/999/{what}").status_code == 404


def test_a_rotation_that_is_not_possible_says_so_on_the_certificates_page(
    visit: Visit, bob: User, service: Service, certificates: list[Certificate]
) -> None:
    values = {"service": service.pk, "certificate": certificates[1].pk, "kind": "rotate", "offline": "owe"}
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", values)
    assert answer["Location"] == address(certificates[1])
