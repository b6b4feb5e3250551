"""Nodes come, change and go; their host keys are opened and pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from deployments.models import HostKey, Node
from deployments.models.node import node_key_context
from deployments.services.edits import Edit
from deployments.services.holding import Held, refuse_if_held, whole_node
from ffsweb.audit.services import record
from ffsweb.remote import keys
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User


ADDRESS = frozenset({"address", "ssh_port"})
"""What an operation connects to, again and again while it runs."""


class NodeBusy(Held):
    """An operation is at work on the node or on one of its services."""


class NameTaken(Exception):
    """The project has a node of this name."""


class NotAwaited(Exception):
    """The host key is none that a machine file handed out, or it was retired meanwhile."""


def create_node(*, project: Project, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> Node:
    """Make a node with an SSH key of its own, whose private half is sealed for the worker. Raises NameTaken."""
    private_key, public_key = keys.generate(comment=f"ffsweb {project.name} {fields['name']}")
    try:
        with transaction.atomic():
            node = Node.objects.create(
                project=project,
                public_key=public_key,
                sealed_private_key=worker_sealer().seal(private_key, node_key_context(public_key)),
                **fields,
            )
            record(
                actor=actor,
                action="node.create",
                project=project,
                target=str(node),
                detail={"address": node.address, "ssh_port": node.ssh_port},
                request=request,
            )
    except IntegrityError as error:
        raise NameTaken(f"{project} has a node {fields['name']} already.") from error
    return node


def edit_node(*, node: Node, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> None:
    """Change what an operator may change of a node; the audit event says what it was and what it is.

    Raises NodeBusy for another address while an operation is at work: it would go on with another machine.
    """
    with transaction.atomic():
        row = _locked(node)
        edit = Edit.of(row, fields)
        if not edit:
            return
        if ADDRESS & set(edit.after):
            refuse_if_held(row, whole_node(row), NodeBusy, "Nothing was changed")
        edit.apply(row)
        record(
            actor=actor,
            action="node.edit",
            project=row.project,
            target=str(row),
            detail=edit.detail(),
            request=request,
        )


def remove_node(*, node: Node, actor: User, request: HttpRequest | None = None) -> None:
    """Forget a node and its services; the machine itself is left as it is. Raises NodeBusy."""
    with transaction.atomic():
        row = _locked(node)
        refuse_if_held(row, whole_node(row), NodeBusy, "Nothing was removed")
        record(
            actor=actor,
            action="node.remove",
            project=row.project,
            target=str(row),
            detail={"address": row.address, "services": [service.name for service in row.services.all()]},
            request=request,
        )
        row.delete()


def cordon_node(*, node: Node, reason: str, actor: User, request: HttpRequest | None = None) -> bool:
    """Let nothing be deployed to a node any more; False if it was cordoned already. Audited.

    Readings go on, and services are started and stopped by hand as before. A deploy that is at work goes on.
    """
    with transaction.atomic():
        fields = {"cordoned_at": timezone.now(), "cordoned_by": actor.get_username(), "cordon_reason": reason}
        if Node.objects.filter(pk=node.pk, cordoned_at=None).update(**fields) != 1:
            return False
        record(
            actor=actor,
            action="node.cordon",
            project=node.project,
            target=str(node),
            detail={"reason": reason},
            request=request,
        )
    return True


def uncordon_node(*, node: Node, actor: User, request: HttpRequest | None = None) -> bool:
    """Let it be deployed to again; False if it was not cordoned. Audited."""
    with transaction.atomic():
        if Node.objects.filter(pk=node.pk).exclude(cordoned_at=None).update(cordoned_at=None) != 1:
            return False
        record(
            actor=actor,
            action="node.uncordon",
            project=node.project,
            target=str(node),
            detail={"reason": node.cordon_reason, "cordoned_by": node.cordoned_by},
            request=request,
        )
    return True


def reprovision(*, key: HostKey, actor: User, request: HttpRequest | None = None) -> None:
    """Trust the named bootstrap key from now on, because its machine was installed anew; the others are retired.

    What was proven to run there counts no longer. Raises NodeBusy, NotAwaited.
    """
    with transaction.atomic():
        node = _locked(key.node)
        refuse_if_held(node, whole_node(node), NodeBusy, "Nothing was changed")
        awaited = HostKey.objects.filter(pk=key.pk, kind=HostKey.Kind.BOOTSTRAP)
        if awaited.update(created_at=timezone.now()) != 1:
            raise NotAwaited(f"The host key {key.fingerprint} is not awaited any more. Nothing was changed.")
        others = HostKey.objects.filter(node=node).exclude(pk=key.pk)
        others.exclude(kind=HostKey.Kind.RETIRED).update(kind=HostKey.Kind.RETIRED)
        node.services.update(live_release=None, unit_text="")
        record(
            actor=actor,
            action="node.reprovision",
            project=node.project,
            target=str(node),
            detail={"fingerprint": key.fingerprint},
            request=request,
        )


def _locked(node: Node) -> Node:
    rows = Node.objects.select_for_update(of=("self",)).select_related("project")
    found = rows.get(pk=node.pk)
    # A deploy locks its services before it takes the hold: one of the two comes first.
    list(found.services.select_for_update().order_by("pk").values_list("pk"))
    return found
