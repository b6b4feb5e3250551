"""What changes among project files is listed one by one; a long list says that it goes on, and shows all if asked."""

from __future__ import annotations

import hashlib

import pytest

from deployments.core.filetree import FileEntry, tree_of
from deployments.models import FilesVersion, Node, Plan, Release, Service
from deployments.services import deploys
from ffsweb.accounts.models import Project, User
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
VERSION = "/projects/serbest/files/2/"


def version(project: Project, number: int, *entries: FileEntry) -> FilesVersion:
    tree = tree_of(entries)
    return FilesVersion.objects.create(
        project=project, number=number, digest=tree.digest, manifest=tree.as_json(), size=tree.size
    )


def entry(path: str, content: str = "", mode: int = 0o644, size: int | None = None) -> FileEntry:
    content = content or path
    return FileEntry(path, mode, len(content) if size is None else size, hashlib.sha256(content.encode()).hexdigest())


FIRST = (entry("same"), entry("text", "1"), entry("mode"), entry("old/name", "moved"), entry("gone"))
SECOND = (
    entry("same"),
    entry("text", "22"),
    entry("mode", mode=0o755),
    entry("new/name", "moved"),
    entry("<b>new</b>", "n"),
)


@pytest.fixture
def node(described: Described) -> Node:
    return described.node()


@pytest.fixture
def service(described: Described, node: Node) -> Service:
    return described.service(node)


def planned(described: Described, service: Service, before: FilesVersion, after: FilesVersion) -> Plan:
    image = described.described_image()
    running, wanted = described.release(image, before), described.release(image, after)
    read(service.node, node_facts({"www": service_facts(running)}))
    assert isinstance(wanted, Release)
    return deploys.preview(release=wanted, services=[service], actor=described.alice)


def test_a_version_lists_what_changed_with_what_moved_and_went(
    visit: Visit, carol: User, described: Described
) -> None:
    version(described.project, 1, *FIRST)
    version(described.project, 2, *SECOND)
    shown = visit(carol).get(VERSION).content.decode()
    assert_well_made(shown)
    assert "1 new, 1 changed, 1 moved, 1 with another mode, 1 gone." in shown
    assert "lacks 3 B of" in shown
    for text in ("old/name → new/name", "&lt;b&gt;new&lt;/b&gt;", "executable now", "removed: </span>gone"):
        assert text in shown, text
    assert "Show all" not in shown


def test_a_plan_lists_the_same_with_what_will_travel(
    visit: Visit, carol: User, described: Described, service: Service
) -> None:
    plan = planned(described, service, version(described.project, 1, *FIRST), version(described.project, 2, *SECOND))
    shown = visit(carol).get(f"/projects/serbest/plans/{plan.hash}/").content.decode()
    assert_well_made(shown)
    assert "1 new, 2 changed, 1 moved, 1 removed; 3 B of 16 B to send" in shown
    for text in ("old/name → new/name", "&lt;b&gt;new&lt;/b&gt;", "removed: </span>gone"):
        assert text in shown, text


def test_a_long_list_says_how_much_it_leaves_out_and_shows_it_all_on_request(
    visit: Visit, carol: User, described: Described, service: Service
) -> None:
    before = version(described.project, 1, *(entry(f"gone/{n:03}") for n in range(150)))
    after = version(described.project, 2, *(entry(f"new/{n:03}", f"x{n}") for n in range(150)))
    plan = planned(described, service, before, after)
    client = visit(carol)
    addresses = {VERSION: "version", f"/projects/serbest/plans/{plan.hash}/": service.resource}
    for address, key in addresses.items():
        shown = client.get(address).content.decode()
        assert_well_made(shown)
        assert "These are the first 200 of 300." in shown
        assert "gone/049" in shown and "gone/050" not in shown
        assert f'href="?all={key.replace(":", "%3A")}' in shown
        everything = client.get(address, {"all": key}).content.decode()
        assert_well_made(everything)
        assert "gone/149" in everything
        assert "Show all" not in everything
        assert "These are the first 200" in client.get(address, {"all": "\0<other>"}).content.decode()
