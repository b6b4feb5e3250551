"""Pruning of nodes: asked for by a person, or by the clock once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core import layout
from deployments.core.retention import Pruning, daily_slot, pruning
from deployments.models import Node
from deployments.models.proven import needed_on
from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.models import Operation
from ffsweb.operations.services import Busy, Target, enqueue

if TYPE_CHECKING:
    from django.http import HttpRequest

    from deployments.core.facts import NodeFacts
    from ffsweb.accounts.models import User

AT_ONCE = 10
"""Nodes that the clock has pruned at the same time."""
FRESH = timedelta(hours=1)
"""The clock prunes by a reading that is not older."""


def prunable(node: Node, facts: NodeFacts) -> Pruning:
    """What would be removed from a node with these facts. About eight queries."""
    return pruning(facts, node.project.name, needed_on(node, facts))


def request_prune(
    *, node: Node, actor: User | None, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """Remove from a node what it needs no more, held with all its services; raises Busy, or with ``wait`` waits.

    ``actor`` None is the clock: then the end is audited, if anything was removed, and not the request.
    """
    with transaction.atomic():
        operation = enqueue(
            kind="prune",
            project=node.project,
            actor=actor,
            title=f"Prune {node}",
            params={},
            targets=[Target(key=node.resource, label=str(node))],
            holds=whole_node(node),
            wait=wait,
        )
        if actor is not None:
            record(
                actor=actor,
                action="operation.prune",
                project=node.project,
                target=str(node),
                detail={"operation": operation.pk},
                request=request,
            )
    return operation


def prune_due_nodes() -> int:
    """Ask for the prunes that are due; how many. For the clock.

    A node that is in use, silent, or of another protocol is not waited for: the next tick looks again. One on which
    there is nothing to remove is looked at again tomorrow.
    """
    now = timezone.now().astimezone(UTC)
    room = AT_ONCE - Operation.objects.active().filter(kind="prune").count()
    asked = 0
    for node in _due(now) if room > 0 else ():
        reading = node.readings.first()
        facts = reading.parsed() if reading and now - reading.taken_at < FRESH else None
        if facts is None or facts.protocol != layout.PROTOCOL:
            continue
        if prunable(node, facts).surplus:
            try:
                request_prune(node=node, actor=None)
            except Busy:
                continue
            asked += 1
        Node.objects.filter(pk=node.pk).update(pruned_at=now)
        if asked >= room:
            break
    return asked


def _due(now: datetime) -> list[Node]:
    rows = Node.objects.values_list("pk", "pruned_at", "created_at")
    due = [pk for pk, pruned, created in rows if (pruned or created) < daily_slot(now, pk)]
    return list(Node.objects.filter(pk__in=due).select_related("project").order_by("pruned_at", "pk"))
