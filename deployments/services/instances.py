"""Services: a project installed on a node under an instance name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from deployments.models import Node, Service
from ffsweb.audit.services import record
from ffsweb.operations.models import Hold

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import User


class ServiceBusy(Exception):
    """An operation is at work on the service."""


def create_service(*, node: Node, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> Service:
    """Describe a service on a node; nothing is done on the node until the first deploy."""
    with transaction.atomic():
        service = Service.objects.create(node=node, project=node.project, **fields)
        record(
            actor=actor,
            action="service.create",
            project=node.project,
            target=str(service),
            detail={"ports": service.ports},
            request=request,
        )
    return service


def edit_service(
    *, service: Service, actor: User, fields: dict[str, Any], request: HttpRequest | None = None
) -> None:
    """Change a service's description; it reaches the node with the next deploy."""
    changed = {name: value for name, value in fields.items() if getattr(service, name) != value}
    if not changed:
        return
    with transaction.atomic():
        for name, value in changed.items():
            setattr(service, name, value)
        service.save(update_fields=list(changed))
        record(
            actor=actor,
            action="service.edit",
            project=service.project,
            target=str(service),
            detail={"changed": sorted(changed)},
            request=request,
        )


def remove_service(*, service: Service, actor: User, request: HttpRequest | None = None) -> None:
    """Forget a service; what runs on the node is left as it is. Raises ServiceBusy."""
    with transaction.atomic():
        if Hold.objects.filter(resource__in=[service.resource, service.node.resource]).exists():
            raise ServiceBusy(
                f"An operation is at work on {service}. Nothing was removed: wait for its end, or cancel it."
            )
        record(
            actor=actor,
            action="service.remove",
            project=service.project,
            target=str(service),
            request=request,
        )
        service.delete()
