"""What an operator does with a service: start, stop, journal, the way back; and what may change while it is in use."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import HostKey, Node, Release, Service
from deployments.services import nodes, requests
from deployments.services.instances import NameTaken, ServiceBusy, create_service, edit_service
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import services as operations
from ffsweb.operations.models import Hold, Operation
from tests.certificates import material
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
NODE = "/projects/serbest/nodes/node-a/"
WWW = NODE + "services/www/"
FIELDS = {
    "name": "www",
    "ports": "443:8443",
    "certificate": "",
    "supervision": "supervisor",
    "watchdog": "180",
    "start_timeout": "60",
    "settle": "3",
}


@pytest.fixture
def service(described: Described) -> Service:
    return described.service(described.node())


@pytest.fixture
def live(described: Described, service: Service) -> Release:
    """Release 2 runs, and the last reading says so; release 1 is the one before."""
    described.release(described.described_image())
    release = described.release(described.described_image("two"))
    Service.objects.update(live_release=release, desired_release=release)
    read(service.node, node_facts({"www": service_facts(release)}))
    return release


def busy(service: Service, described: Described) -> Operation:
    return requests.request_control(service=service, verb="restart", actor=described.alice)


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_an_operator_starts_and_stops(visit: Visit, bob: User, service: Service, live: Release, verb: str) -> None:
    answer = visit(bob).post(f"{WWW}control/{verb}/")
    operation = Operation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
    assert (operation.kind, operation.params, operation.actor_name) == ("control", {"verb": verb}, "bob")
    assert operation.title == f"{verb.capitalize()} www@node-a"
    assert list(operation.holds.values_list("resource", flat=True)) == [service.resource]
    event = AuditEvent.objects.get(action="operation.control")
    assert (event.actor_name, event.target) == ("bob", "www@node-a")
    assert event.detail == {"operation": operation.pk, "verb": verb}


@pytest.mark.parametrize("verb", ["reload", "Start", "remove", "x\n", "é"])
def test_another_verb_is_not_there(visit: Visit, bob: User, service: Service, verb: str) -> None:
    assert visit(bob).post(f"{WWW}control/{verb}/").status_code == 404
    assert not Operation.objects.exists()


def test_a_viewer_sees_the_page_and_may_do_nothing(
    visit: Visit, carol: User, service: Service, live: Release
) -> None:
    page = visit(carol).get(WWW).content.decode()
    assert_well_made(page)
    assert "Live" in page
    assert "<form" not in page.partition("<main")[2]
    for address in ("control/stop/", "journal/", "edit/", "remove/"):
        assert visit(carol).post(WWW + address).status_code == 403
    assert not Operation.objects.exists()


def test_a_service_in_use_is_told_with_who_has_it(
    visit: Visit, bob: User, described: Described, service: Service
) -> None:
    first = busy(service, described)
    answer = visit(bob).post(f"{WWW}control/stop/")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert_well_made(page)
    for part in (f"operation {first.pk}", "which alice asked for", "Stop www@node-a: not started", "Queue it"):
        assert part in page
    assert Operation.objects.count() == 1


def test_what_is_asked_of_a_service_or_a_node_in_use_may_wait(
    visit: Visit, bob: User, described: Described, service: Service
) -> None:
    busy(service, described)
    for address in (f"{WWW}control/stop/", f"{NODE}enrol/"):
        assert visit(bob).post(address).status_code == 409
        answer = visit(bob).post(address, {"wait": "1"}, follow=True)
        assert "It waits for its turn" in answer.content.decode()
    waiting = Operation.objects.latest("pk")
    assert (waiting.kind, waiting.state, waiting.holds.exists()) == ("enrol", "queued", False)
    assert "1 operation that asked earlier waits for the same" in answer.content.decode()
    answer = visit(bob).post(f"/operations/{waiting.pk}/cancel", follow=True)
    assert "bob cancelled it. Nothing was changed." in answer.content.decode()


def test_what_somebody_waits_for_stays_as_it_was_planned(
    visit: Visit, alice: User, bob: User, described: Described, service: Service
) -> None:
    first = busy(service, described)
    visit(bob).post(f"{WWW}control/stop/", {"wait": "1"})
    Hold.objects.filter(operation=first).delete()
    answer = visit(alice).post(f"{WWW}remove/", {"name": "www"})
    assert answer.status_code == 422
    assert "is awaited by operation" in answer.content.decode()
    assert Service.objects.filter(pk=service.pk).exists()


def test_the_journal_is_read_searched_or_followed(visit: Visit, bob: User, service: Service) -> None:
    answer = visit(bob).post(f"{WWW}journal/", {"search": "  error 500 ", "follow": "on"})
    operation = Operation.objects.get()
    assert answer["Location"] == f"/operations/{operation.pk}/"
    assert (operation.kind, operation.params) == ("journal", {"search": "error 500", "follow": True})
    assert not operation.holds.exists()
    visit(bob).post(f"{WWW}journal/")
    assert Operation.objects.first().params == {"search": "", "follow": False}  # type: ignore[union-attr]
    page = visit(bob).get(WWW).content.decode()
    assert "Last read" in page
    assert "Journal of www@node-a" not in page, "the history tells what was done, not what was looked at"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("a\0b", "ab"), ("x" * 500, "x" * 200), ("a\nb\x1b[31m", "ab[31m"), ("\u202eevil", "evil"), ("größe", "größe")],
)
def test_what_is_searched_for_is_a_line_of_text(
    visit: Visit, bob: User, service: Service, typed: str, kept: str
) -> None:
    assert visit(bob).post(f"{WWW}journal/", {"search": typed}).status_code == 303
    assert Operation.objects.get().params["search"] == kept


def test_the_page_offers_the_way_back_as_a_plan(visit: Visit, bob: User, service: Service, live: Release) -> None:
    page = visit(bob).get(WWW).content.decode()
    assert_well_made(page)
    assert 'action="/projects/serbest/releases/1/plan/"' in page
    assert "would have to be sent again" in page
    assert 'action="/projects/serbest/releases/2/plan/"' in page, "with its button replaced by the word live"
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": service.pk}, follow=True)
    plan = answer.content.decode()
    assert "2 → 1" in plan
    assert "/deploy/" in plan


def test_the_service_of_another_project_is_not_there(
    visit: Visit, bob: User, mallory: User, service: Service
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.ADMIN)
    for person, project in ((mallory, "other"), (mallory, "serbest"), (bob, "other")):
        address = f"/projects/{project}/nodes/node-a/services/www/"
        assert visit(person).get(address).status_code == 404
        assert visit(person).post(address + "control/stop/").status_code == 404
        assert visit(person).post(address + "remove/", {"name": "www"}).status_code == 404
    assert not Operation.objects.exists()


def test_an_edit_says_what_it_was_and_what_it_is(visit: Visit, alice: User, service: Service) -> None:
    answer = visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": "444:8443", "settle": "9"})
    assert answer.status_code == 303
    service.refresh_from_db()
    assert (service.ports[0]["host"], service.settle) == (444, 9)
    detail = AuditEvent.objects.get(action="service.edit").detail
    assert detail["changed"] == ["ports", "settle"]
    assert (detail["before"]["settle"], detail["after"]["settle"]) == ("3", "9")
    assert "443" in detail["before"]["ports"]


def test_an_edit_that_changes_nothing_is_no_event(visit: Visit, alice: User, service: Service) -> None:
    assert visit(alice).post(f"{WWW}edit/", FIELDS).status_code == 303
    assert not AuditEvent.objects.filter(action="service.edit").exists()


def test_a_service_in_use_is_not_edited(visit: Visit, alice: User, described: Described, service: Service) -> None:
    operation = busy(service, described)
    answer = visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": "444:8443"})
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.content.decode()
    service.refresh_from_db()
    assert service.ports[0]["host"] == 443
    assert visit(alice).post(f"{WWW}edit/", FIELDS).status_code == 303, "no change is no conflict"
    operations.cancel(operation, actor=alice)
    assert visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": "444:8443"}).status_code == 303


def test_a_service_of_a_node_in_use_is_not_edited(described: Described, service: Service) -> None:
    requests.request_enrolment(node=service.node, actor=described.alice)
    with pytest.raises(ServiceBusy, match="First contact with node-a"):
        edit_service(service=service, actor=described.alice, fields={"settle": 9})


def test_the_first_contact_has_the_node_and_all_its_services_for_itself(
    described: Described, service: Service
) -> None:
    operation = requests.request_enrolment(node=service.node, actor=described.alice)
    held = set(operation.holds.values_list("resource", flat=True))
    assert held == {service.node.resource, service.resource}


def edit_of_the_node(**fields: str) -> dict[str, str]:
    return {"name": "node-a", "address": "192.0.2.1", "ssh_port": "22", "tags": "", "operator_keys": "", **fields}


@pytest.mark.parametrize("change", [{"address": "192.0.2.9"}, {"ssh_port": "2222"}])
def test_a_node_in_use_keeps_its_address(
    visit: Visit, alice: User, described: Described, service: Service, change: dict[str, str]
) -> None:
    busy(service, described)
    answer = visit(alice).post(f"{NODE}edit/", edit_of_the_node(**change))
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.content.decode()
    assert Node.objects.get().address == "192.0.2.1"
    assert visit(alice).post(f"{NODE}edit/", edit_of_the_node(tags="rack-7")).status_code == 303
    assert Node.objects.get().tags == ["rack-7"]
    assert AuditEvent.objects.get(action="node.edit").detail["after"] == {"tags": "['rack-7']"}


def test_a_node_in_use_is_not_reprovisioned(
    visit: Visit, alice: User, described: Described, service: Service
) -> None:
    described.machine_file(service.node)
    key = HostKey.objects.get()
    busy(service, described)
    answer = visit(alice).post(f"{NODE}keys/{key.pk}/reprovision/", follow=True)
    assert b"Nothing was changed" in answer.content
    assert not AuditEvent.objects.filter(action="node.reprovision").exists()


def test_a_machine_installed_anew_runs_nothing_that_was_proven(
    visit: Visit, alice: User, described: Described, service: Service, live: Release
) -> None:
    Service.objects.update(unit_text="[Unit]")
    described.machine_file(service.node)
    visit(alice).post(f"{NODE}keys/{HostKey.objects.get().pk}/reprovision/")
    service.refresh_from_db()
    assert (service.live_release, service.unit_text) == (None, "")
    assert service.desired_release == live


def test_a_key_that_somebody_retired_meanwhile_is_not_trusted_again(described: Described, service: Service) -> None:
    described.machine_file(service.node)
    key = HostKey.objects.select_related("node__project").get()
    HostKey.objects.update(kind=HostKey.Kind.RETIRED)
    with pytest.raises(nodes.NotAwaited):
        nodes.reprovision(key=key, actor=described.alice)
    assert not service.node.pins(key.created_at)


def test_two_at_once_with_one_name_are_told_apart(described: Described, service: Service) -> None:
    with pytest.raises(NameTaken, match="node-a has a service www already"):
        create_service(node=service.node, actor=described.alice, fields={"name": "www"})
    with pytest.raises(nodes.NameTaken, match="serbest has a node node-a already"):
        described.node()
    assert Service.objects.count() == Node.objects.count() == 1


@pytest.mark.parametrize("ports", ["22:22", "22:8022/tcp"])
def test_the_port_of_ssh_is_not_published(visit: Visit, alice: User, service: Service, ports: str) -> None:
    answer = visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": ports})
    assert answer.status_code == 422
    assert b"SSH" in answer.content
    assert visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": "22:22/udp"}).status_code == 303


@pytest.mark.parametrize("address", ["fe80::1%eth0\nx", "fe80::1%a b", "::1%$(id)", "fe80::1%" + "x" * 40])
def test_an_address_has_no_odd_scope(visit: Visit, alice: User, service: Service, address: str) -> None:
    assert visit(alice).post(f"{NODE}edit/", edit_of_the_node(address=address)).status_code == 422


def test_a_certificate_of_another_project_is_not_given(
    visit: Visit, alice: User, mallory: User, service: Service
) -> None:
    theirs = Described(Project.objects.create(name="other"), mallory)
    certificate = theirs.certificate(material.server(), material.intermediate())
    answer = visit(alice).post(f"{WWW}edit/", {**FIELDS, "certificate": certificate.pk})
    assert answer.status_code == 422
    assert b"www.example.org" not in visit(alice).get(f"{WWW}edit/").content


@pytest.mark.parametrize("value", ["", "-1", "3601", str(2**31), str(2**63), "9" * 5000, "1e3", "²", "x\0"])
@pytest.mark.parametrize("field", ["start_timeout", "settle"])
def test_seconds_out_of_range_are_refused(
    visit: Visit, alice: User, service: Service, field: str, value: str
) -> None:
    assert visit(alice).post(f"{WWW}edit/", {**FIELDS, field: value}).status_code == 422


@pytest.mark.parametrize(
    "ports", ["0:1", "65536:1", "1:0", "443", "443:8443/sctp", "a:b", "1:1 " * 21, "443:1,443:2"]
)
def test_bad_ports_are_refused(visit: Visit, alice: User, service: Service, ports: str) -> None:
    assert visit(alice).post(f"{WWW}edit/", {**FIELDS, "ports": ports}).status_code == 422
    service.refresh_from_db()
    assert service.ports == [{"host": 443, "container": 8443, "protocol": "tcp"}]


def test_the_page_asks_as_much_for_a_long_history_as_for_a_short_one(
    visit: Visit, bob: User, described: Described, service: Service, live: Release, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        operations.cancel(busy(service, described), actor=described.alice)
        described.release(live.image)
    client = visit(bob)
    with django_assert_max_num_queries(16):
        assert client.get(WWW).status_code == 200
