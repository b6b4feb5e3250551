"""Operators' keys of a project: added, replaced, removed, and brought to its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.access import bare
from deployments.core.rollout import Member, split
from deployments.models import AccessKey, Node, NodeAccess
from deployments.models.access_key import contacted, keep_wish
from deployments.services.access_rotation import AT_ONCE, WAVES
from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold, Wish
from ffsweb.operations.services import Busy, Target, enqueue
from ffsweb.remote.keys import ACCESS_RSA_BITS, BadPublicKey, parse_public_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation


class NotRemovable(Exception):
    """The key stays; the text says why."""


def add_key(
    *,
    project: Project,
    actor: User,
    line: str,
    break_glass: bool = False,
    instead_of: AccessKey | None = None,
    request: HttpRequest | None = None,
) -> AccessKey:
    """Want a key on every node; with ``instead_of``, that one goes from each node after the new one was seen there.

    Raises BadPublicKey, NotRemovable. Part of one transaction; a few queries for each node.
    """
    parsed = parse_public_key(line, rsa_bits=ACCESS_RSA_BITS)
    comment = " ".join(parsed.comment.split())[:100]
    with transaction.atomic():
        if instead_of is not None and instead_of.public_key == parsed.line:
            raise BadPublicKey("This is the key that is to be replaced. Paste the new one.")
        values = {"comment": comment, "state": AccessKey.State.WANTED, "removed_at": None}
        made = {**values, "added_by": actor.get_username(), "break_glass": break_glass}
        key, fresh = AccessKey.objects.get_or_create(
            project=project, fingerprint=parsed.fingerprint, defaults={**made, "public_key": parsed.line}
        )
        if not fresh and key.state == AccessKey.State.WANTED and (key.break_glass or not break_glass):
            raise BadPublicKey(f"{project} has this key already: {key}.")
        if not fresh:  # a break-glass key stays one
            AccessKey.objects.filter(pk=key.pk).update(**values, break_glass=key.break_glass or break_glass)
            key.refresh_from_db()
        record(
            actor=actor,
            action="access-key.add",
            project=project,
            target=str(key),
            detail={"fingerprint": key.fingerprint, "break_glass": key.break_glass},
            request=request,
        )
        if instead_of is not None:
            _retire(instead_of, actor, request)
        keep_wish(contacted(project))
    return key


def remove_key(*, key: AccessKey, actor: User, request: HttpRequest | None = None) -> None:
    """Want a key on no node any more. Raises NotRemovable for a break-glass key, and for the last of the project."""
    with transaction.atomic():
        wanted = AccessKey.objects.filter(project=key.project_id, state=AccessKey.State.WANTED)
        if not wanted.exclude(pk=key.pk).exists():
            raise NotRemovable(
                f"{key} is the last key of {key.project}. Nothing was changed: add another one first, or nobody "
                "could log in as core when the dashboard is away."
            )
        _retire(key, actor, request)
        keep_wish(contacted(key.project))


def _retire(key: AccessKey, actor: User, request: HttpRequest | None) -> None:
    if key.break_glass:
        raise NotRemovable(f"{key} is a break-glass key, which the dashboard never removes. Nothing was changed.")
    mine = AccessKey.objects.filter(pk=key.pk, state=AccessKey.State.WANTED, break_glass=False)
    if mine.update(state=AccessKey.State.REMOVED, removed_at=timezone.now()) != 1:
        raise NotRemovable(f"{key} was removed, or made a break-glass key, a moment ago. Nothing was changed.")
    for node in Node.objects.filter(project=key.project_id).exclude(operator_keys=""):
        # Or the next machine file would bring it back.
        left = [line for line in node.operator_keys.splitlines() if bare(line) != key.public_key]
        Node.objects.filter(pk=node.pk, operator_keys=node.operator_keys).update(operator_keys="\n".join(left))
    record(
        actor=actor,
        action="access-key.remove",
        project=key.project,
        target=str(key),
        detail={"fingerprint": key.fingerprint},
        request=request,
    )


def request_apply(
    *, project: Project, nodes: Sequence[Node], actor: User | None, request: HttpRequest | None = None
) -> Operation:
    """Bring the wanted keys to these nodes and take the others away; each is held as a whole. Raises Busy."""
    shown = str(nodes[0]) if len(nodes) == 1 else f"{len(nodes)} nodes"
    waves = split(WAVES, [Member(node.resource, node.resource) for node in nodes])
    with transaction.atomic():
        operation = enqueue(
            kind="access-keys",
            project=project,
            actor=actor,
            title=f"Bring operators' keys to {shown}",
            params={"waves": [list(wave) for wave in waves]},
            targets=[Target(key=node.resource, label=str(node)) for node in nodes],
            holds=[resource for node in nodes for resource in whole_node(node)],
        )
        record(
            actor=actor,
            action="operation.access-keys",
            project=project,
            target=shown,
            detail={"operation": operation.pk, "nodes": [str(node) for node in nodes]},
            request=request,
        )
    return operation


def request_apply_to_all(
    *, project: Project, actor: User, request: HttpRequest | None = None
) -> tuple[Operation | None, list[Node]]:
    """The same for all nodes that were contacted and are free; the others, which stay owed, are returned.

    Raises Busy. Four queries and those of the request.
    """
    nodes = contacted(project)
    taken = (rows.values_list("resource", flat=True) for rows in (Hold.objects, Wish.objects))
    held = {resource for resources in taken for resource in resources}
    free = [node for node in nodes if not held & set(whole_node(node))]
    busy = [node for node in nodes if node not in free]
    if not free:
        return None, busy
    return request_apply(project=project, nodes=free, actor=actor, request=request), busy


def catch_up() -> int:
    """Begin what nodes are owed by the ledger, where they were read since; how many. One query if nothing is."""
    begun = 0
    for owed in NodeAccess.objects.payable(timezone.now())[:AT_ONCE]:
        # By compare-and-swap: of two ticks at once, one tries.
        mine = NodeAccess.objects.filter(pk=owed.pk, tries=owed.tries)
        if not mine.update(tried_at=timezone.now(), tries=owed.tries + 1):
            continue
        try:
            request_apply(project=owed.node.project, nodes=[owed.node], actor=None)
        except Busy as busy:
            NodeAccess.objects.filter(pk=owed.pk).update(problem=busy.reason)
        else:
            begun += 1
    return begun
