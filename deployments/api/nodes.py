"""Nodes in the API, and the keys by which they are known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from deployments.models import HostKey, Node
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.paging import Page, Paging, page
from ffsweb.rest.rights import any_token, needs

router = Router(tags=["nodes"])


class NodeShape(Schema):
    """A machine, and when it was read last."""

    id: int
    project: str
    name: str
    address: str
    ssh_port: int
    tags: list[str]
    cordon: str = Field(description="Why nothing is deployed to it; empty if it is not cordoned.")
    read_at: datetime | None
    read_error: str = Field(description="Why the last reading failed; empty if it did not.")
    created_at: datetime


class Facts(Schema):
    """What the last reading says of the machine. Sizes are in bytes, times in seconds."""

    hostname: str
    os: str
    kernel: str
    arch: str
    podman: str
    systemd: str
    ffs_node: str
    uptime: int
    reboot_pending: bool
    disk_free: int
    disk_total: int


class NodeDetail(NodeShape):
    """The same with facts (null: unknown) and services."""

    facts: Facts | None
    services: list[str]
    bandwidth: int | None


class HostKeyShape(Schema):
    """A host key: ``bootstrap`` (of a machine file), ``pinned`` or ``retired``."""

    id: int
    kind: str
    fingerprint: str
    public_key: str
    expired: bool
    created_at: datetime


class Keys(Schema):
    """The public keys around a node."""

    dashboard: str = Field(description="The key that the dashboard logs in with.")
    operators: list[str]
    host: list[HostKeyShape]


class Which(Paging):
    """Which nodes."""

    project: str = ""


@router.get("/nodes", response=Page[NodeShape], summary="Nodes")
@any_token
def list_nodes(request: Call, which: Query[Which]) -> dict[str, Any]:
    """Of all projects of the token, or of one."""
    projects = request.caller.projects()
    projects = projects.filter(name=which.project) if which.project else projects
    rows = Node.objects.filter(project__in=projects).select_related("project").with_last_reading()
    return page(rows, which, shape)


@router.get("/projects/{project}/nodes/{node}", response=NodeDetail, summary="One node")
@needs(Role.VIEWER)
def get_node(request: Call, project: str, node: str) -> dict[str, Any]:
    """With what was last read from it."""
    found = find_node(request, node)
    reading = found.readings.first()
    return {
        **shape(found),
        "facts": _facts(reading.parsed()) if reading else None,
        "services": [service.name for service in found.services.all()],
        "bandwidth": found.bandwidth,
    }


@router.get("/projects/{project}/nodes/{node}/keys", response=Keys, tags=["keys"], summary="A node's public keys")
@needs(Role.VIEWER)
def get_keys(request: Call, project: str, node: str) -> dict[str, Any]:
    """The host keys by which it is known, newest first; the dashboard's key; those of its operators."""
    found = find_node(request, node)
    return {
        "dashboard": found.public_key,
        "operators": found.operator_keys.splitlines(),
        "host": [_host_key(key) for key in found.host_keys.all()[:50]],
    }


def find_node(request: Call, node: str) -> Node:
    """The node of this name in the call's project, or 404. One query."""
    rows = Node.objects.filter(project=request.project).select_related("project").with_last_reading()
    return get_object_or_404(rows, name=node)


def shape(row: Any) -> dict[str, Any]:
    """A node as lists have it; of ``with_last_reading``."""
    return {
        "id": row.pk,
        "project": row.project.name,
        "name": row.name,
        "address": row.address,
        "ssh_port": row.ssh_port,
        "tags": row.tags,
        "cordon": row.cordon,
        "read_at": row.last_read_at,
        "read_error": row.last_error or "",
        "created_at": row.created_at,
    }


def _facts(facts: Any) -> dict[str, Any] | None:
    if facts is None:
        return None
    names = ("hostname", "os", "kernel", "arch", "podman", "systemd", "uptime", "reboot_pending")
    disk = facts.disk_var
    return {name: getattr(facts, name) for name in names} | {
        "ffs_node": facts.version,
        "disk_free": disk.free,
        "disk_total": disk.total,
    }


def _host_key(key: HostKey) -> dict[str, Any]:
    names = ("kind", "fingerprint", "public_key", "expired", "created_at")
    return {"id": key.pk, **{name: getattr(key, name) for name in names}}
