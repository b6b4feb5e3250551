"""Operators' keys of a project: added, replaced, removed, and brought to its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.access import bare
from deployments.models import AccessKey, Node, NodeAccess
from deployments.models.access_key import contacted, keep_wish
from deployments.services.access_rotation import AT_ONCE
from deployments.services.node_wide import divided, pay, request_on_nodes, waves_of
from ffsweb.audit.services import record
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
    *,
    project: Project,
    nodes: Sequence[Node],
    actor: User | None,
    wait: bool = False,
    request: HttpRequest | None = None,
) -> Operation:
    """Bring the wanted keys to these nodes and take the others away; each is held as a whole.

    Raises Busy, or with ``wait`` waits until all of them are free.
    """
    return request_on_nodes(
        kind="access-keys",
        does="Bring operators' keys to",
        project=project,
        nodes=nodes,
        actor=actor,
        params=waves_of(nodes),
        wait=wait,
        request=request,
    )


def request_apply_to_all(
    *, project: Project, actor: User, request: HttpRequest | None = None
) -> tuple[Operation | None, list[Node]]:
    """The same for all nodes that were contacted and are free; the others, which stay owed, are returned.

    Raises Busy. Four queries and those of the request.
    """
    found = divided(contacted(project))
    if not found.free:
        return None, list(found.busy)
    return request_apply(project=project, nodes=found.free, actor=actor, request=request), list(found.busy)


def catch_up() -> int:
    """Begin what nodes are owed by the ledger, where they were read since; how many. One query if nothing is."""
    debts = NodeAccess.objects.payable(timezone.now())[:AT_ONCE]
    return pay(debts, lambda owed: request_apply(project=owed.node.project, nodes=[owed.node], actor=None))
