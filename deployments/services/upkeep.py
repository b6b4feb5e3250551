"""What keeps nodes in order, asked for by a person: operations that hold nodes as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from deployments.models import Node
from deployments.models.program import programs_on
from deployments.nodekit.released import ffs_node_program
from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold, Wish
from ffsweb.operations.services import Target, enqueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation


@dataclass(frozen=True, slots=True)
class Upgradable:
    """The nodes of a project that would take this ffsweb's ffs-node; ``busy`` those in use or awaited just now."""

    free: tuple[Node, ...]
    busy: tuple[Node, ...]


def upgradable(project: Project) -> Upgradable:
    """By the last readings. Five queries."""
    nodes = Node.objects.filter(project=project)
    wanted = [pk for pk, program in programs_on(nodes).items() if program.standing.upgradable]
    rows = list(nodes.filter(pk__in=wanted).select_related("project").prefetch_related("services"))
    taken = (rows.values_list("resource", flat=True) for rows in (Hold.objects, Wish.objects))
    held = {resource for resources in taken for resource in resources}
    busy = [node for node in rows if held & set(whole_node(node))]
    return Upgradable(tuple(node for node in rows if node not in busy), tuple(busy))


def request_upgrade(
    *, project: Project, nodes: Sequence[Node], actor: User, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """Give nodes of one project this ffsweb's ffs-node; each is held with all its services.

    Raises Busy, or with ``wait`` waits until all of them are free.
    """
    ours = ffs_node_program()
    shown = str(nodes[0]) if len(nodes) == 1 else f"{len(nodes)} nodes"
    with transaction.atomic():
        operation = enqueue(
            kind="upgrade",
            project=project,
            actor=actor,
            title=f"Upgrade ffs-node on {shown}",
            params={"version": ours.version, "protocol": ours.protocol, "program_sha256": ours.sha256},
            targets=[Target(key=node.resource, label=str(node)) for node in nodes],
            holds=[resource for node in nodes for resource in whole_node(node)],
            wait=wait,
        )
        record(
            actor=actor,
            action="operation.upgrade",
            project=project,
            target=shown,
            detail={"operation": operation.pk, "version": ours.version, "nodes": [str(node) for node in nodes]},
            request=request,
        )
    return operation
