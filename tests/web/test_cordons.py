"""A node that is cordoned gets no deploys; who said so and why is shown wherever it matters."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.models import Node
from deployments.services import deploys, requests
from deployments.services.nodes import cordon_node, uncordon_node
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from tests.deployments.facts import read
from tests.web.conftest import Visit
from tests.web.described import Described

pytestmark = pytest.mark.django_db

PAGE = "/projects/serbest/nodes/node-a/"
WHY = "Its disk is replaced."


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def node(described: Described) -> Node:
    node = described.node()
    described.service(node)
    read(node)
    return node


def again(node: Node) -> Node:
    return Node.objects.select_related("project").get(pk=node.pk)


def test_an_operator_cordons_a_node_and_uncordons_it(visit: Visit, bob: User, carol: User, node: Node) -> None:
    page = text_of(visit(bob).post(f"{PAGE}cordon/", {"reason": f"  {WHY}\n"}, follow=True))
    said = again(node).cordon
    assert said.startswith("node-a is cordoned by bob since ")
    assert said.endswith(f" UTC: {WHY}")
    assert said in page
    event = AuditEvent.objects.get(action="node.cordon")
    assert (event.target, event.detail) == ("node-a", {"reason": WHY})
    for address in ("/", PAGE, "/projects/serbest/nodes/", f"{PAGE}services/www/"):
        assert said in text_of(visit(carol).get(address)), address
    assert "Uncordon" not in text_of(visit(carol).get(PAGE))

    assert "was cordoned already" in text_of(visit(bob).post(f"{PAGE}cordon/", {"reason": "Again"}, follow=True))
    assert "can be deployed to again" in text_of(visit(bob).post(f"{PAGE}uncordon/", follow=True))
    assert again(node).cordon == ""
    assert AuditEvent.objects.get(action="node.uncordon").detail == {"reason": WHY, "cordoned_by": "bob"}
    assert "was not cordoned" in text_of(visit(bob).post(f"{PAGE}uncordon/", follow=True))
    assert AuditEvent.objects.filter(action__startswith="node.").exclude(action="node.create").count() == 2


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "\u200b\u200b"])
def test_without_a_reason_nothing_is_cordoned(visit: Visit, bob: User, node: Node, reason: str) -> None:
    assert "say why" in text_of(visit(bob).post(f"{PAGE}cordon/", {"reason": reason}, follow=True))
    assert again(node).cordon == ""


def test_a_plan_is_refused_and_one_that_was_made_before_is_not_put_to_work(
    visit: Visit, bob: User, described: Described, node: Node
) -> None:
    release = described.release(described.described_image())

    def plan() -> Any:
        return deploys.preview(release=release, services=node.services.all(), actor=described.alice)

    before = plan()
    cordon_node(node=node, reason=WHY, actor=bob)
    with pytest.raises(deploys.Refused, match="The nodes changed since this plan was made"):
        deploys.request_deploy(plan=before, actor=described.alice)
    (refusal,) = plan().parsed().targets[0].refusals
    assert refusal == f"{again(node).cordon} Uncordon it on the node's page first."
    page = text_of(visit(bob).get(f"/projects/serbest/plans/{plan().hash}/"))
    assert "cordoned by bob" in page
    # Readings go on, and so does what people do by hand.
    assert requests.request_reading(node=node, actor=bob).state == "queued"
    assert requests.request_control(service=node.services.get(), verb="restart", actor=bob).state == "queued"
    uncordon_node(node=again(node), actor=bob)
    assert not plan().parsed().refused
