"""What keeps nodes in order, asked for by a person: operations that hold nodes as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.models import Node
from deployments.models.program import programs_on
from deployments.nodekit.released import ffs_node_program
from deployments.services.node_wide import Divided, divided, request_on_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation


def upgradable(project: Project) -> Divided:
    """The nodes that would take this ffsweb's ffs-node, by the last readings. Five queries."""
    nodes = Node.objects.filter(project=project)
    wanted = [pk for pk, program in programs_on(nodes).items() if program.standing.upgradable]
    return divided(list(nodes.filter(pk__in=wanted).select_related("project").prefetch_related("services")))


def request_upgrade(
    *, project: Project, nodes: Sequence[Node], actor: User, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """Give nodes of one project this ffsweb's ffs-node; each is held with all its services.

    Raises Busy, or with ``wait`` waits until all of them are free.
    """
    ours = ffs_node_program()
    return request_on_nodes(
        kind="upgrade",
        does="Upgrade ffs-node on",
        project=project,
        nodes=nodes,
        actor=actor,
        params={"version": ours.version, "protocol": ours.protocol, "program_sha256": ours.sha256},
        detail={"version": ours.version},
        wait=wait,
        request=request,
    )
