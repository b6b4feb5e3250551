"""What keeps nodes in order, in the API: cordons, prunes and upgrades of ffs-node."""

from __future__ import annotations

from typing import Any

from ninja import Field, Router

from deployments.api import nodes
from deployments.api.changing import Asked
from deployments.forms.node import CordonForm
from deployments.services import nodes as node_services
from deployments.services import pruning, upkeep
from ffsweb.accounts.models import Role
from ffsweb.operations.services import Busy
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body, checked
from ffsweb.rest.operation_shapes import OperationShape
from ffsweb.rest.operation_shapes import shape as operation_shape
from ffsweb.rest.rights import needs
from ffsweb.web.problems import Problem

router = Router(tags=["nodes"])


class Cordon(Body):
    """Why nothing is to be deployed to a node."""

    reason: str = Field(description="For the others; at most 200 characters, kept on one line.")


class UpgradeShape(OperationShape):
    """The operation that upgrades nodes."""

    left_out: list[str] = Field(description="Nodes that are older too, but in use now.")


@router.post("/projects/{project}/nodes/{node}/cordon", response=nodes.NodeShape, summary="Cordon a node")
@needs(Role.OPERATOR)
def cordon_node(request: Call, project: str, node: str, sent: Cordon) -> dict[str, Any]:
    """Nothing is deployed to it any more. Everything else goes on, and so does a deploy that is at work."""
    found = nodes.find_node(request, node)
    form = CordonForm(sent.dict())
    checked(form)
    reason = form.cleaned_data["reason"]
    if not node_services.cordon_node(node=found, reason=reason, actor=request.user, request=request):
        raise Problem(409, f"{found} was cordoned already. Nothing was changed.")
    return nodes.shape(nodes.find_node(request, node))


@router.post("/projects/{project}/nodes/{node}/uncordon", response=nodes.NodeShape, summary="Uncordon a node")
@needs(Role.OPERATOR)
def uncordon_node(request: Call, project: str, node: str) -> dict[str, Any]:
    """It can be deployed to again."""
    found = nodes.find_node(request, node)
    if not node_services.uncordon_node(node=found, actor=request.user, request=request):
        raise Problem(409, f"{found} was not cordoned. Nothing was changed.")
    return nodes.shape(nodes.find_node(request, node))


@router.post(
    "/projects/{project}/nodes/{node}/prune",
    response={202: OperationShape},
    summary="Remove what a node needs no more",
)
@needs(Role.OPERATOR)
def prune_node(request: Call, project: str, node: str, sent: Asked) -> dict[str, Any]:
    """Starts an operation, which does now what is done once a day. Data is never touched."""
    found = nodes.find_node(request, node)
    return operation_shape(pruning.request_prune(node=found, actor=request.user, wait=sent.wait, request=request))


@router.post(
    "/projects/{project}/nodes/{node}/upgrade", response={202: OperationShape}, summary="Upgrade ffs-node on a node"
)
@needs(Role.OPERATOR)
def upgrade_node(request: Call, project: str, node: str, sent: Asked) -> dict[str, Any]:
    """Starts an operation: the node gets this ffsweb's ffs-node, signed, and is read again."""
    found = nodes.find_node(request, node)
    made = upkeep.request_upgrade(
        project=request.project, nodes=[found], actor=request.user, wait=sent.wait, request=request
    )
    return operation_shape(made)


@router.post(
    "/projects/{project}/upgrade",
    response={202: UpgradeShape},
    summary="Upgrade ffs-node on all nodes that are older",
)
@needs(Role.OPERATOR)
def upgrade_nodes(request: Call, project: str) -> dict[str, Any]:
    """Starts one operation on all nodes that have an older one, by the last readings, and are free."""
    found = upkeep.upgradable(request.project)
    busy = [node.name for node in found.busy]
    if not found.free:
        said = f"In use now: {', '.join(busy)}." if busy else "No node has an older ffs-node."
        raise Problem(409, f"{said} Nothing was started.")
    try:
        made = upkeep.request_upgrade(project=request.project, nodes=found.free, actor=request.user, request=request)
    except Busy as error:
        said = f"{error.reason} Nothing was started. Ask again: what is in use is left out then."
        raise Problem(409, said, more={"operation": error.holder_id}) from error
    return {**operation_shape(made), "left_out": busy}
