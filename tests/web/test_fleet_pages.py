"""The pages of nodes, services, releases and settings, as each person meets them."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import HostKey, Node, Reading, Service, Setting
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import faults_of

pytestmark = pytest.mark.django_db

NODE = {"name": "node-a", "address": "192.0.2.7", "ssh_port": "22", "tags": "rack-1 edge", "operator_keys": ""}


def make_node(visit: Visit, alice: User, **fields: str) -> Node:
    answer = visit(alice).post("/projects/serbest/nodes/new/", {**NODE, **fields})
    assert answer.status_code == 303, answer.context["form"].errors
    return Node.objects.get(name=fields.get("name", "node-a"))


def make_service(visit: Visit, alice: User, node: Node, **fields: str) -> Service:
    data = {
        "name": "www",
        "ports": "443:8443",
        "certificate": "",
        "supervision": "supervisor",
        "watchdog": "180",
        "start_timeout": "60",
        "settle": "5",
        **fields,
    }
    answer = visit(alice).post(f"/projects/serbest/nodes/{node.name}/services/new/", data)
    assert answer.status_code == 303, answer.context["form"].errors
    return Service.objects.get(name=data["name"])


def test_an_empty_fleet_says_what_to_do_first(visit: Visit, root: User, mallory: User) -> None:
    assert b"Start with a project" in visit(root).get("/").content
    assert b"You are in no project yet" in visit(mallory).get("/").content


def test_alice_describes_a_node_and_it_gets_a_key_of_its_own(visit: Visit, alice: User, project: Project) -> None:
    node = make_node(visit, alice)
    assert node.tags == ["rack-1", "edge"]
    assert node.public_key.startswith("ssh-ed25519 ")
    assert b"PRIVATE KEY" not in bytes(node.sealed_private_key)
    assert AuditEvent.objects.filter(action="node.create", target="node-a").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "Node A", "lower-case"),
        ("address", "not an address", "neither an IP address nor a DNS name"),
        ("address", "10.0.0", "neither an IP address nor a DNS name"),
        ("ssh_port", "70000", "65535"),
        ("tags", "a b!", "is not a tag"),
        ("operator_keys", "ssh-rsa nonsense", "Line 1"),
        ("operator_keys", 'command="x" ssh-ed25519 AAAA', "Line 1"),
    ],
)
def test_a_bad_node_is_refused_with_the_reason(
    visit: Visit, alice: User, project: Project, field: str, value: str, message: str
) -> None:
    answer = visit(alice).post("/projects/serbest/nodes/new/", {**NODE, field: value})
    assert answer.status_code == 422
    assert message in answer.content.decode().replace("&#x27;", "'")
    assert not Node.objects.exists()


def test_two_nodes_of_one_name_are_refused(visit: Visit, alice: User, project: Project) -> None:
    make_node(visit, alice)
    assert visit(alice).post("/projects/serbest/nodes/new/", NODE).status_code == 422


def test_the_machine_file_holds_a_fresh_host_key_each_time(visit: Visit, alice: User, project: Project) -> None:
    node = make_node(visit, alice)
    make_service(visit, alice, node)
    files = [visit(alice).post("/projects/serbest/nodes/node-a/machine/ffs.ign") for _ in range(2)]
    assert all(answer["Content-Disposition"] == 'attachment; filename="ffs.ign"' for answer in files)
    assert all(answer["Cache-Control"] == "no-store" for answer in files)
    assert files[0].content != files[1].content
    assert HostKey.objects.filter(node=node, kind=HostKey.Kind.BOOTSTRAP).count() == 2
    butane = visit(alice).post("/projects/serbest/nodes/node-a/machine/ffs.bu").content
    assert butane.startswith(b"#") or b"variant:" in butane
    # A node that knows no signer could never be upgraded.
    assert b"ffs-node namespaces=" in butane


def test_no_page_shows_the_private_half_of_any_key(visit: Visit, alice: User, project: Project) -> None:
    node = make_node(visit, alice)
    make_service(visit, alice, node)
    visit(alice).post("/projects/serbest/nodes/node-a/machine/ffs.ign")
    for path in ("", "machine/", "edit/"):
        assert b"PRIVATE" not in visit(alice).get(f"/projects/serbest/nodes/node-a/{path}").content


def test_reprovisioning_trusts_one_named_key_and_retires_the_others(
    visit: Visit, alice: User, project: Project
) -> None:
    node = make_node(visit, alice)
    HostKey.objects.create(node=node, kind=HostKey.Kind.PINNED, public_key="ssh-ed25519 AAAA", fingerprint="SHA256:a")
    make_service(visit, alice, node)
    visit(alice).post("/projects/serbest/nodes/node-a/machine/ffs.ign")
    key = HostKey.objects.get(kind=HostKey.Kind.BOOTSTRAP)
    assert [pin.kind for pin in node.pins(timezone.now())] == [HostKey.Kind.PINNED]
    answer = visit(alice).post(f"/projects/serbest/nodes/node-a/keys/{key.pk}/reprovision/")
    assert answer.status_code == 303
    assert [pin.pk for pin in Node.objects.get().pins(timezone.now())] == [key.pk]
    assert AuditEvent.objects.filter(action="node.reprovision").exists()


def test_a_host_port_is_published_once_on_a_node(visit: Visit, alice: User, project: Project) -> None:
    node = make_node(visit, alice)
    make_service(visit, alice, node)
    data = {"name": "dns", "ports": "443:53", "supervision": "none", "start_timeout": "60", "settle": "5"}
    answer = visit(alice).post("/projects/serbest/nodes/node-a/services/new/", data)
    assert answer.status_code == 422
    assert b"is taken by www@node-a" in answer.content


@pytest.mark.parametrize("name", ["restore", "op-1", "-x", "Www", "a" * 40])
def test_a_service_may_not_have_a_name_that_the_node_needs(
    visit: Visit, alice: User, project: Project, name: str
) -> None:
    make_node(visit, alice)
    data = {"name": name, "ports": "", "supervision": "none", "start_timeout": "60", "settle": "5"}
    assert visit(alice).post("/projects/serbest/nodes/node-a/services/new/", data).status_code == 422


def test_removing_asks_for_the_name(visit: Visit, alice: User, project: Project) -> None:
    make_node(visit, alice)
    assert visit(alice).post("/projects/serbest/nodes/node-a/remove/", {"name": "node-b"}).status_code == 422
    assert Node.objects.exists()
    assert visit(alice).post("/projects/serbest/nodes/node-a/remove/", {"name": "node-a"}).status_code == 303
    assert not Node.objects.exists()


def test_an_import_names_the_bad_lines_and_stores_nothing(visit: Visit, alice: User, project: Project) -> None:
    text = "GOOD=1\nno equals sign\nGOOD=2\n"
    answer = visit(alice).post("/projects/serbest/settings/import/", {"text": text, "plain_names": ""})
    assert answer.status_code == 422
    assert b"Line 2" in answer.content
    assert b"Line 3" in answer.content
    assert not Setting.objects.exists()


def test_sealed_settings_are_shown_as_set_only(visit: Visit, alice: User, carol: User, project: Project) -> None:
    text = "TOKEN=hunter2-sentinel\nCOLOUR=blue\n"
    answer = visit(alice).post("/projects/serbest/settings/import/", {"text": text, "plain_names": "COLOUR"})
    assert answer.status_code == 303
    for person in (alice, carol):
        page = visit(person).get("/projects/serbest/settings/").content
        assert b"hunter2-sentinel" not in page
        assert b"TOKEN" in page
        assert b"blue" in page
    token = Setting.objects.get(name="TOKEN")
    assert b"hunter2" not in bytes(token.sealed)
    assert not AuditEvent.objects.filter(detail_json__icontains="hunter2").exists()


def test_bob_may_not_change_settings_or_nodes(visit: Visit, bob: User, project: Project) -> None:
    assert visit(bob).post("/projects/serbest/settings/set/", {"name": "A", "value": "1"}).status_code == 403
    assert visit(bob).post("/projects/serbest/nodes/new/", NODE).status_code == 403


def test_every_page_of_a_project_is_sound(visit: Visit, alice: User, carol: User, project: Project) -> None:
    node = make_node(visit, alice)
    service = make_service(visit, alice, node)
    Reading.objects.create(node=node, taken_at=timezone.now(), error="Nobody answers at 192.0.2.7.")
    paths = [
        "/",
        "/projects/serbest/",
        "/projects/serbest/nodes/",
        "/projects/serbest/services/",
        "/projects/serbest/images/",
        "/projects/serbest/files/",
        "/projects/serbest/releases/",
        "/projects/serbest/settings/",
        "/projects/serbest/certificates/",
        node.get_absolute_url(),
        service.get_absolute_url(),
    ]
    own = [
        "/projects/serbest/releases/new/",
        "/projects/serbest/certificates/add/",
        reverse("deployments:machine", args=["serbest", "node-a"]),
        reverse("deployments:node_edit", args=["serbest", "node-a"]),
        reverse("deployments:node_remove", args=["serbest", "node-a"]),
        reverse("deployments:service_edit", args=["serbest", "node-a", "www"]),
        reverse("deployments:service_remove", args=["serbest", "node-a", "www"]),
    ]
    for person, addresses in ((alice, paths + own), (carol, paths)):
        for address in addresses:
            answer = visit(person).get(address)
            assert answer.status_code == 200, address
            assert not faults_of(answer.content.decode()), address


def test_the_board_filters_by_the_address(visit: Visit, alice: User, project: Project) -> None:
    node = make_node(visit, alice)
    make_service(visit, alice, node)
    assert b"www" in visit(alice).get("/?search=node-a").content
    assert b"Nothing fits" in visit(alice).get("/?search=elsewhere").content
    assert b"Nothing fits" in visit(alice).get("/?state=live").content
    assert b"www" in visit(alice).get("/?state=unknown").content


def test_a_reading_of_another_version_counts_as_none_and_breaks_no_page(
    visit: Visit, alice: User, project: Project
) -> None:
    node = make_node(visit, alice)
    service = make_service(visit, alice, node)
    Reading.objects.create(node=node, taken_at=timezone.now(), facts={"protocol": 0, "of": "another form"})
    for address in ("/", "/projects/serbest/", node.get_absolute_url(), service.get_absolute_url()):
        answer = visit(alice).get(address)
        assert answer.status_code == 200, address
        assert not faults_of(answer.content.decode()), address
    assert b"stored by another version of ffsweb" in answer.content
    assert b"www" in visit(alice).get("/?state=unknown").content


def test_a_node_without_a_service_is_on_the_board_with_what_is_known_of_it(
    visit: Visit, alice: User, mallory: User, project: Project
) -> None:
    for name in ("lonely", "silent"):
        make_node(visit, alice, name=name)
    Reading.objects.create(node=Node.objects.get(name="silent"), taken_at=timezone.now(), error="It does not answer.")
    page = visit(alice).get("/").content.decode()
    assert "Nodes without a service" in page
    assert "No services yet" in page
    assert "It does not answer." in page
    assert faults_of(page) == []
    assert "silent" not in visit(mallory).get("/").content.decode()
    assert "silent" not in visit(alice).get("/?search=lone").content.decode()
    assert "lonely" not in visit(alice).get("/?state=live").content.decode()
    make_service(visit, alice, Node.objects.get(name="lonely"))
    page = visit(alice).get("/").content.decode()
    assert page.index("www") < page.index("Nodes without a service") < page.index(">silent<")
    assert page.count(">lonely<") == 1


def test_the_board_takes_the_same_queries_for_many_nodes(
    visit: Visit, alice: User, project: Project, django_assert_max_num_queries: object
) -> None:
    def fill(count: int, start: int) -> None:
        for number in range(start, start + count):
            node = Node.objects.create(
                project=project, name=f"n{number}", address="192.0.2.1", public_key="x", sealed_private_key=b"x"
            )
            Service.objects.create(project=project, node=node, name="www")
            Reading.objects.create(node=node, taken_at=timezone.now(), error="away")

    fill(200, 0)
    client = visit(alice)
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        answer = client.get("/")
    assert answer.content.count(b"www") >= 200
