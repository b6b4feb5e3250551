"""Nodes come, change and go; their host keys are opened and pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from deployments.models import HostKey, Node
from deployments.models.node import node_key_context
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold
from ffsweb.remote import keys
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User


class NodeBusy(Exception):
    """An operation is at work on the node or on one of its services."""


def create_node(*, project: Project, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> Node:
    """Make a node with an SSH key of its own, whose private half is sealed for the worker. One transaction."""
    private_key, public_key = keys.generate(comment=f"ffsweb {project.name} {fields['name']}")
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
    return node


def edit_node(*, node: Node, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> None:
    """Change what an operator may change of a node; the audit event names the changed fields."""
    changed = {name: value for name, value in fields.items() if getattr(node, name) != value}
    with transaction.atomic():
        for name, value in changed.items():
            setattr(node, name, value)
        if changed:
            node.save(update_fields=list(changed))
            record(
                actor=actor,
                action="node.edit",
                project=node.project,
                target=str(node),
                detail={"changed": sorted(changed)},
                request=request,
            )


def remove_node(*, node: Node, actor: User, request: HttpRequest | None = None) -> None:
    """Forget a node and its services; the machine itself is left as it is. Raises NodeBusy."""
    with transaction.atomic():
        resources = [node.resource, *(service.resource for service in node.services.all())]
        if Hold.objects.filter(resource__in=resources).exists():
            raise NodeBusy(f"An operation is at work on {node}. Nothing was removed: wait for its end, or cancel it.")
        record(actor=actor, action="node.remove", project=node.project, target=str(node), request=request)
        node.delete()


def reprovision(*, key: HostKey, actor: User, request: HttpRequest | None = None) -> None:
    """Trust the named bootstrap key from now on, because its machine was installed anew; the others are retired."""
    with transaction.atomic():
        others = HostKey.objects.filter(node=key.node).exclude(pk=key.pk)
        others.exclude(kind=HostKey.Kind.RETIRED).update(kind=HostKey.Kind.RETIRED)
        HostKey.objects.filter(pk=key.pk).update(created_at=timezone.now())
        record(
            actor=actor,
            action="node.reprovision",
            project=key.node.project,
            target=str(key.node),
            detail={"fingerprint": key.fingerprint},
            request=request,
        )
