"""From an operation's target keys to the rows that they stand for."""

from __future__ import annotations

from deployments.execution.errors import Gone
from deployments.models import Node, Service
from ffsweb.operations.contract import Target


def node_of(target: Target) -> Node:
    """The node of a ``node:5`` target; raises Gone. Two queries."""
    kind, _, pk = target.key.partition(":")
    found = Node.objects.prefetch_related("host_keys").filter(pk=int(pk)).first() if kind == "node" else None
    if found is None:
        raise Gone(f"{target.label} was removed from the dashboard. Nothing was done.")
    return found


def service_of(target: Target) -> Service:
    """The service of a ``service:12`` target, with its node; raises Gone. Two queries."""
    kind, _, pk = target.key.partition(":")
    rows = Service.objects.select_related("node", "project", "certificate", "live_release", "desired_release")
    found = rows.prefetch_related("node__host_keys").filter(pk=int(pk)).first() if kind == "service" else None
    if found is None:
        raise Gone(f"{target.label} was removed from the dashboard. Nothing was done.")
    return found
