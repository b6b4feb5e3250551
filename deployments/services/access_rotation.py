"""Rotations of the dashboard's keys: asked for by a person, or owed to a node that is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.models import DashboardKey, Node, OwedRotation
from deployments.services.node_wide import divided, pay, request_on_nodes, waves_of
from ffsweb.audit.services import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

AT_ONCE = 20


def request_rotation(
    *,
    project: Project,
    nodes: Sequence[Node],
    actor: User | None,
    wait: bool = False,
    request: HttpRequest | None = None,
) -> Operation:
    """Give nodes of one project a new key of the dashboard's; each is held with all its services.

    Raises Busy, or with ``wait`` waits until all of them are free.
    """
    return request_on_nodes(
        kind="rotate-ssh",
        does="Rotate the dashboard's key on",
        project=project,
        nodes=nodes,
        actor=actor,
        params=waves_of(nodes),
        wait=wait,
        request=request,
    )


def request_rotation_of_all(
    *, project: Project, actor: User, request: HttpRequest | None = None
) -> tuple[Operation | None, list[Node]]:
    """All nodes that were contacted, in waves; those in use now are owed it, and come second. Raises Busy.

    The operation is None if every node is in use, or none was ever contacted. Five queries, and two for each in use.
    """
    rows = Node.objects.filter(project=project, host_keys__kind="pinned").distinct()
    found = divided(list(rows.select_related("project").prefetch_related("services").order_by("name")))
    operation = None
    with transaction.atomic():
        if found.free:
            operation = request_rotation(project=project, nodes=found.free, actor=actor, request=request)
        for node in found.busy:
            made = {"asked_by": actor, "problem": "It was in use."}
            OwedRotation.objects.get_or_create(node=node, defaults=made)
        if found.busy and not found.free:
            detail = {"nodes": [str(node) for node in found.busy]}
            record(actor=actor, action="rotate-ssh.owe", project=project, target="", detail=detail, request=request)
    return operation, list(found.busy)


def catch_up() -> int:
    """Begin the rotations that are owed to nodes that were read since; how many. One query if there are none."""
    debts = OwedRotation.objects.payable(timezone.now())[:AT_ONCE]
    return pay(
        debts,
        lambda owed: request_rotation(project=owed.node.project, nodes=[owed.node], actor=owed.asked_by),
    )


def destroy_old_keys() -> int:
    """Forget private halves that were kept for the time of grace; how many."""
    return DashboardKey.objects.destroy_due(timezone.now())
