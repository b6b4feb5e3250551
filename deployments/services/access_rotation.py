"""Rotations of the dashboard's keys: asked for by a person, or owed to a node that is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.rollout import Member, Rollout, split
from deployments.models import DashboardKey, Node, OwedRotation
from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold, Wish
from ffsweb.operations.services import Busy, Target, enqueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

WAVES = Rollout(waves="1, 25%, rest")
"""A canary first. A failure ends it."""
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
    shown = str(nodes[0]) if len(nodes) == 1 else f"{len(nodes)} nodes"
    waves = split(WAVES, [Member(node.resource, node.resource) for node in nodes])
    with transaction.atomic():
        operation = enqueue(
            kind="rotate-ssh",
            project=project,
            actor=actor,
            title=f"Rotate the dashboard's key on {shown}",
            params={"waves": [list(wave) for wave in waves]},
            targets=[Target(key=node.resource, label=str(node)) for node in nodes],
            holds=[resource for node in nodes for resource in whole_node(node)],
            wait=wait,
        )
        record(
            actor=actor,
            action="operation.rotate-ssh",
            project=project,
            target=shown,
            detail={"operation": operation.pk, "nodes": [str(node) for node in nodes]},
            request=request,
        )
    return operation


def request_rotation_of_all(
    *, project: Project, actor: User, request: HttpRequest | None = None
) -> tuple[Operation | None, list[Node]]:
    """All nodes that were contacted, in waves; those in use now are owed it, and come second. Raises Busy.

    The operation is None if every node is in use, or none was ever contacted. Five queries, and two for each in use.
    """
    rows = Node.objects.filter(project=project, host_keys__kind="pinned").distinct()
    taken = (found.values_list("resource", flat=True) for found in (Hold.objects, Wish.objects))
    held = {resource for resources in taken for resource in resources}
    nodes = list(rows.select_related("project").prefetch_related("services").order_by("name"))
    busy = [node for node in nodes if held & set(whole_node(node))]
    free = [node for node in nodes if node not in busy]
    operation = None
    with transaction.atomic():
        if free:
            operation = request_rotation(project=project, nodes=free, actor=actor, request=request)
        for node in busy:
            made = {"asked_by": actor, "problem": "It was in use."}
            OwedRotation.objects.get_or_create(node=node, defaults=made)
        if busy and not free:
            detail = {"nodes": [str(node) for node in busy]}
            record(actor=actor, action="rotate-ssh.owe", project=project, target="", detail=detail, request=request)
    return operation, busy


def catch_up() -> int:
    """Begin the rotations that are owed to nodes that were read since; how many. One query if there are none."""
    begun = 0
    for owed in OwedRotation.objects.payable(timezone.now())[:AT_ONCE]:
        # By compare-and-swap: of two ticks at once, one tries.
        mine = OwedRotation.objects.filter(pk=owed.pk, tries=owed.tries)
        if not mine.update(tried_at=timezone.now(), tries=owed.tries + 1):
            continue
        try:
            request_rotation(project=owed.node.project, nodes=[owed.node], actor=owed.asked_by)
        except Busy as busy:
            OwedRotation.objects.filter(pk=owed.pk).update(problem=busy.reason)
        else:
            begun += 1
    return begun


def destroy_old_keys() -> int:
    """Forget private halves that were kept for the time of grace; how many."""
    return DashboardKey.objects.destroy_due(timezone.now())
