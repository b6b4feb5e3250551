"""Operations on nodes as a whole: each is held with all its services, and what cannot be held now comes later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from deployments.core.rollout import Member, Rollout, split
from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold, Wish
from ffsweb.operations.services import Busy, Target, enqueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from django.http import HttpRequest

    from deployments.models import Node, NodeAccess, OwedRotation
    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

WAVES = Rollout(waves="1, 25%, rest")
"""For what could lock people out: a canary first. A failure ends it."""


@dataclass(frozen=True, slots=True)
class Divided:
    """Nodes that can be held now, and ``busy`` those that are in use or awaited."""

    free: tuple[Node, ...]
    busy: tuple[Node, ...]


def divided(nodes: Sequence[Node]) -> Divided:
    """``nodes``, in their order, by whether they are free. Two queries, and one for each without fetched services."""
    taken = (rows.values_list("resource", flat=True) for rows in (Hold.objects, Wish.objects))
    held = {resource for resources in taken for resource in resources}
    busy = [node for node in nodes if held & set(whole_node(node))]
    return Divided(tuple(node for node in nodes if node not in busy), tuple(busy))


def waves_of(nodes: Sequence[Node]) -> dict[str, Any]:
    """The params of an operation that goes from node to node in WAVES."""
    waves = split(WAVES, [Member(node.resource, node.resource) for node in nodes])
    return {"waves": [list(wave) for wave in waves]}


def request_on_nodes(
    *,
    kind: str,
    does: str,
    project: Project,
    nodes: Sequence[Node],
    actor: User | None,
    params: Mapping[str, Any],
    detail: Mapping[str, Any] | None = None,
    wait: bool = False,
    request: HttpRequest | None = None,
) -> Operation:
    """Ask for an operation on nodes of one project. ``does``: its title, to which the node or their number is added.

    ``detail``: for the audit log, beside the operation and the nodes. Raises Busy, or with ``wait`` waits until all
    of them are free.
    """
    shown = str(nodes[0]) if len(nodes) == 1 else f"{len(nodes)} nodes"
    with transaction.atomic():
        operation = enqueue(
            kind=kind,
            project=project,
            actor=actor,
            title=f"{does} {shown}",
            params=dict(params),
            targets=[Target(key=node.resource, label=str(node)) for node in nodes],
            holds=[resource for node in nodes for resource in whole_node(node)],
            wait=wait,
        )
        record(
            actor=actor,
            action=f"operation.{kind}",
            project=project,
            target=shown,
            detail={"operation": operation.pk, **(detail or {}), "nodes": [str(node) for node in nodes]},
            request=request,
        )
    return operation


def pay(debts: Iterable[OwedRotation | NodeAccess], begin: Callable[[Any], object]) -> int:
    """Begin what nodes are owed, each tried by one of two ticks at once; how many. Of a busy node it says why not."""
    begun = 0
    for owed in debts:
        # By compare-and-swap: of two ticks at once, one tries.
        row = type(owed)._default_manager.filter(pk=owed.pk)
        if not row.filter(tries=owed.tries).update(tried_at=timezone.now(), tries=owed.tries + 1):
            continue
        try:
            begin(owed)
        except Busy as busy:
            row.update(problem=busy.reason)
        else:
            begun += 1
    return begun
