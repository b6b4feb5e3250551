"""What pages show of pushes: a node's limit and line, and how far a push is."""

from __future__ import annotations

import pytest
from django.utils import timezone

from deployments.models import Node
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation, OperationTarget
from tests.deployments.facts import read
from tests.web.conftest import Visit
from tests.web.test_fleet_pages import NODE

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(visit: Visit, alice: User, project: Project) -> Node:
    visit(alice).post("/projects/serbest/nodes/new/", NODE | {"bandwidth": "40 Mbit/s"})
    return Node.objects.get(name="node-a")


def test_a_limit_is_read_in_plain_units_shown_and_taken_away(visit: Visit, alice: User, node: Node) -> None:
    read(node)
    assert node.bandwidth == 5_000_000
    assert "5.0 MB/s" in visit(alice).get("/projects/serbest/nodes/node-a/").content.decode()
    page = visit(alice).get("/projects/serbest/nodes/node-a/edit/").content.decode()
    assert 'value="5 MB/s"' in page
    visit(alice).post("/projects/serbest/nodes/node-a/edit/", NODE | {"bandwidth": ""})
    node.refresh_from_db()
    assert node.bandwidth is None


def test_what_is_no_rate_is_refused_with_an_example(visit: Visit, alice: User, node: Node) -> None:
    answer = visit(alice).post("/projects/serbest/nodes/node-a/edit/", NODE | {"bandwidth": "quick"})
    assert answer.status_code == 422
    assert "5 MB/s, 800 kB/s or 40 Mbit/s" in answer.content.decode()
    node.refresh_from_db()
    assert node.bandwidth == 5_000_000


def test_the_line_is_shown_once_it_was_measured(visit: Visit, alice: User, node: Node) -> None:
    read(node)
    assert "measured" not in visit(alice).get("/projects/serbest/nodes/node-a/").content.decode()
    Node.objects.update(link_rate=12_300_000, link_round_trip=0.0214, link_measured_at=timezone.now())
    page = visit(alice).get("/projects/serbest/nodes/node-a/").content.decode()
    assert "12.3 MB/s, 21.4 ms" in page
    assert node.link().measured is False
    assert Node.objects.get().link().usable == 5_000_000, "the limit counts"


def test_a_push_under_way_shows_bytes_rate_and_time_left(visit: Visit, alice: User, project: Project) -> None:
    operation = Operation.objects.create(
        project=project, kind="deploy", title="Deploy", actor_name="alice", state="running"
    )
    target = OperationTarget.objects.create(
        operation=operation,
        key="service:1",
        label="www@node-a",
        state="running",
        bytes_done=12_300_000,
        bytes_total=45_600_000,
        bytes_rate=4_100_000,
    )
    page = visit(alice).get(f"/operations/{operation.pk}/").content.decode()
    assert "12.3 MB of 45.6 MB, 4.1 MB/s, 8 s left" in page
    OperationTarget.objects.filter(pk=target.pk).update(bytes_done=45_600_000)
    page = visit(alice).get(f"/operations/{operation.pk}/").content.decode()
    assert "45.6 MB of 45.6 MB<" in page
