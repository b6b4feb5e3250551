"""What the API describes and asks of nodes and services."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Field, Router

from deployments.api import instances, nodes
from deployments.forms.node import NodeForm
from deployments.forms.service import ServiceForm
from deployments.services import access_rotation, requests
from deployments.services import instances as service_services
from deployments.services import nodes as node_services
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body, checked
from ffsweb.rest.operation_shapes import OperationShape
from ffsweb.rest.operation_shapes import shape as operation_shape
from ffsweb.rest.rights import needs
from ffsweb.web.problems import Problem

router = Router()


class NewNode(Body):
    """A machine to be described."""

    name: str
    address: str
    ssh_port: int = 22
    tags: list[str] = Field([], max_length=100)
    operator_keys: list[str] = Field([], max_length=500, description="SSH public keys for the user core.")
    bandwidth: str = Field("", description="What pushes may take of the line, such as 5 MB/s; empty: no limit.")


class NewService(Body):
    """A service to be described. Seconds where it is about time."""

    name: str
    ports: list[str] = Field([], max_length=100, description="host:container, with /udp if it is not TCP.")
    certificate: int | None = Field(None, description="Its id.")
    supervision: Literal["auto", "supervisor", "own", "health", "none"] = "auto"
    probe: str = ""
    watchdog: int = 90
    start_timeout: int = 120
    settle: int = 20
    health_check: str = ""
    health_from: Literal["node", "dashboard", "both"] = "node"


class Asked(Body):
    """Something that is to be done on a node."""

    wait: bool = Field(default=False, description="Wait for what others have, instead of 409.")


class Control(Asked):
    """What systemd is to do."""

    verb: Literal["start", "stop", "restart"]


@router.post("/projects/{project}/nodes", response={201: nodes.NodeShape}, tags=["nodes"], summary="Describe a node")
@needs(Role.ADMIN)
def make_node(request: Call, project: str, sent: NewNode) -> dict[str, Any]:
    """Nothing is done on the machine: give it a service, then take its machine file from its page."""
    lists = {"tags": " ".join(sent.tags), "operator_keys": "\n".join(sent.operator_keys)}
    form = NodeForm({**sent.dict(), **lists}, project=request.project)
    checked(form)
    try:
        made = node_services.create_node(
            project=request.project, actor=request.user, fields=form.cleaned_data, request=request
        )
    except node_services.NameTaken as taken:
        raise Problem(409, f"{taken} Nothing was done.") from taken
    return nodes.shape(nodes.find_node(request, made.name))


@router.post(
    "/projects/{project}/nodes/{node}/services",
    response={201: instances.ServiceShape},
    tags=["services"],
    summary="Describe a service",
)
@needs(Role.ADMIN)
def make_service(request: Call, project: str, node: str, sent: NewService) -> dict[str, Any]:
    """It runs after its first deploy."""
    found = nodes.find_node(request, node)
    values = {**sent.dict(), "ports": " ".join(sent.ports), "certificate": sent.certificate or ""}
    form = ServiceForm(values, node=found)
    checked(form)
    try:
        made = service_services.create_service(
            node=found, actor=request.user, fields=form.cleaned_data, request=request
        )
    except service_services.NameTaken as taken:
        raise Problem(409, f"{taken} Nothing was done.") from taken
    return instances.shape(instances.find_service(request, found.name, made.name), found.readings.first())


@router.post(
    "/projects/{project}/nodes/{node}/read", response={202: OperationShape}, tags=["nodes"], summary="Read a node"
)
@needs(Role.OPERATOR)
def read_node(request: Call, project: str, node: str) -> dict[str, Any]:
    """Starts an operation, which changes nothing on the node."""
    found = nodes.find_node(request, node)
    return operation_shape(requests.request_reading(node=found, actor=request.user, request=request))


@router.post(
    "/projects/{project}/nodes/{node}/enrol",
    response={202: OperationShape},
    tags=["nodes"],
    summary="Make the first contact",
)
@needs(Role.OPERATOR)
def enrol_node(request: Call, project: str, node: str, sent: Asked) -> dict[str, Any]:
    """Starts an operation: finish the set-up and replace the bootstrap host key."""
    found = nodes.find_node(request, node)
    made = requests.request_enrolment(node=found, actor=request.user, wait=sent.wait, request=request)
    return operation_shape(made)


@router.post(
    "/projects/{project}/nodes/{node}/rotate-ssh",
    response={202: OperationShape},
    tags=["keys"],
    summary="Give a node a new key of the dashboard's",
)
@needs(Role.OPERATOR)
def rotate_key(request: Call, project: str, node: str, sent: Asked) -> dict[str, Any]:
    """Starts an operation: the new key is used alone before the old one is removed and seen to be refused."""
    found = nodes.find_node(request, node)
    made = access_rotation.request_rotation(
        project=found.project, nodes=[found], actor=request.user, wait=sent.wait, request=request
    )
    return operation_shape(made)


@router.post(
    "/projects/{project}/nodes/{node}/services/{service}/control",
    response={202: OperationShape},
    tags=["services"],
    summary="Start, stop or restart a service",
)
@needs(Role.OPERATOR)
def control_service(request: Call, project: str, node: str, service: str, sent: Control) -> dict[str, Any]:
    """Starts an operation."""
    found = instances.find_service(request, node, service)
    made = requests.request_control(
        service=found, verb=sent.verb, actor=request.user, wait=sent.wait, request=request
    )
    return operation_shape(made)
