"""Nodes and services that the dashboard forgets, in the API. What runs on the machines is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import Http404
from ninja import Field, Router, Schema

from deployments.api import instances, nodes
from deployments.models import Node, Service
from deployments.services import instances as service_services
from deployments.services import nodes as node_services
from deployments.services.holding import Held
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.checking import Body
from ffsweb.rest.rights import needs
from ffsweb.web.problems import Problem

router = Router()


class Confirmed(Body):
    """The name of what goes, once more, as on the page."""

    name: str = Field(description="As in the address: nothing is removed if it is another one.")


class Removed(Schema):
    """What is gone from the dashboard."""

    removed: list[str] = Field(description="As people call them: a node, and service@node.")


@router.post("/projects/{project}/nodes/{node}/remove", response=Removed, tags=["nodes"], summary="Forget a node")
@needs(Role.ADMIN)
def remove_node(request: Call, project: str, node: str, sent: Confirmed) -> dict[str, Any]:
    """With its services and their readings. What runs on the machine goes on running; access keys stay on it."""
    found = nodes.find_node(request, node)
    _confirm(sent, found.name)
    gone = [str(found), *map(str, found.services.select_related("node"))]
    with _told():
        node_services.remove_node(node=found, actor=request.user, request=request)
    return {"removed": gone}


@router.post(
    "/projects/{project}/nodes/{node}/services/{service}/remove",
    response=Removed,
    tags=["services"],
    summary="Forget a service",
)
@needs(Role.ADMIN)
def remove_service(request: Call, project: str, node: str, service: str, sent: Confirmed) -> dict[str, Any]:
    """Its container, its files and its data stay on the node: stop it first if it should not go on running."""
    found = instances.find_service(request, node, service)
    _confirm(sent, found.name)
    gone = str(found)
    with _told():
        service_services.remove_service(service=found, actor=request.user, request=request)
    return {"removed": [gone]}


def _confirm(sent: Confirmed, name: str) -> None:
    if sent.name != name:
        errors = [{"at": "body.name", "detail": f"This is not {name}."}]
        raise Problem(422, f"This is not {name}. Nothing was removed.", errors=errors)


@contextmanager
def _told() -> Iterator[None]:
    """Makes answers of what keeps a row from being removed."""
    try:
        yield
    except Held as held:
        raise Problem(409, str(held), more={"operation": held.operation}) from held
    except (Node.DoesNotExist, Service.DoesNotExist) as error:  # somebody was faster
        raise Http404 from error
