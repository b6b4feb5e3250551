"""Services in the API: what they should be, and what was last measured."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from deployments.forms.service import port_text
from deployments.models import Node, Reading, Service
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.paging import Page, Paging, page
from ffsweb.rest.rights import any_token, needs

router = Router(tags=["services"])


class Measured(Schema):
    """What the last reading of its node says of a service. ``active`` is systemd's word; seconds."""

    at: datetime
    deployed: bool
    active: str
    release: int | None
    restarts: int
    heartbeat_age: float | None


class ServedShape(Schema):
    """What a TLS handshake of the dashboard with the service showed; SHA-256 in hex, or "" and why."""

    at: datetime
    port: int
    fingerprint: str
    not_after: datetime | None
    error: str


class ServiceShape(Schema):
    """A project installed on a node under an instance name."""

    id: int
    project: str
    node: str
    name: str
    ports: list[str] = Field(description="host:container, with /udp if it is not TCP.")
    supervision: str
    probe: str
    watchdog: int
    start_timeout: int
    settle: int
    health_check: str
    health_from: str
    certificate: int | None
    desired_release: int | None
    live_release: int | None = Field(description="What a reading proved to run.")
    measured: Measured | None = Field(description="null: unknown.")
    served: ServedShape | None = Field(description="null: nobody looked.")
    created_at: datetime


class Which(Paging):
    """Which services."""

    project: str = ""
    node: str = ""


@router.get("/services", response=Page[ServiceShape], summary="Services")
@any_token
def list_services(request: Call, which: Query[Which]) -> dict[str, Any]:
    """Of all projects of the token, of one, or of the nodes of one name."""
    projects = request.caller.projects()
    projects = projects.filter(name=which.project) if which.project else projects
    rows = _related(Service.objects.filter(project__in=projects))
    rows = rows.filter(node__name=which.node) if which.node else rows
    found = page(rows, which, lambda row: row)
    readings = Node.objects.filter(pk__in={row.node_id for row in found["items"]}).newest_readings()
    return {**found, "items": [shape(row, readings.get(row.node_id)) for row in found["items"]]}


@router.get("/projects/{project}/nodes/{node}/services/{service}", response=ServiceShape, summary="One service")
@needs(Role.VIEWER)
def get_service(request: Call, project: str, node: str, service: str) -> dict[str, Any]:
    """By its node and its instance name."""
    found = find_service(request, node, service)
    return shape(found, found.node.readings.first())


def find_service(request: Call, node: str, service: str) -> Service:
    """The service of this name on this node of the call's project, or 404. One query."""
    return get_object_or_404(_related(Service.objects.filter(project=request.project)), node__name=node, name=service)


def shape(row: Service, reading: Reading | None) -> dict[str, Any]:
    """A service as the API has it. No query if what is related was selected."""
    names = ("name", "supervision", "probe", "watchdog", "start_timeout", "settle", "health_check", "health_from")
    facts = reading.parsed() if reading else None
    there = facts.service(row.name) if facts else None
    measured, seen = None, getattr(row, "served", None)
    if reading and there:
        of = ("deployed", "active", "release", "restarts", "heartbeat_age")
        measured = {"at": reading.taken_at, **{name: getattr(there, name) for name in of}}
    return {
        "id": row.pk,
        "project": row.project.name,
        "node": row.node.name,
        "ports": [port_text(port) for port in row.ports],
        **{name: getattr(row, name) for name in names},
        "certificate": row.certificate_id,
        "desired_release": row.desired_release.number if row.desired_release else None,
        "live_release": row.live_release.number if row.live_release else None,
        "measured": measured,
        "served": seen.outside if seen else None,
        "created_at": row.created_at,
    }


def _related(rows: Any) -> Any:
    return rows.select_related("project", "node", "desired_release", "live_release", "served").defer("unit_text")
