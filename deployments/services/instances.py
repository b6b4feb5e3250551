"""Services: a project installed on a node under an instance name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from deployments.models import Node, Service
from deployments.services.edits import Edit
from deployments.services.holding import Held, refuse_if_held
from ffsweb.audit.services import record

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import User


class ServiceBusy(Held):
    """An operation is at work on the service."""


class NameTaken(Exception):
    """The node has a service of this name."""


def create_service(*, node: Node, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> Service:
    """Describe a service on a node; nothing is done on the node until the first deploy. Raises NameTaken."""
    try:
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
    except IntegrityError as error:
        raise NameTaken(f"{node} has a service {fields['name']} already.") from error
    return service


def edit_service(
    *, service: Service, actor: User, fields: dict[str, Any], request: HttpRequest | None = None
) -> None:
    """Change a service's description; it reaches the node with the next deploy.

    Raises ServiceBusy: an operation that goes on after a restart must find the service as it was planned.
    """
    with transaction.atomic():
        row = _locked(service)
        edit = Edit.of(row, fields)
        if not edit:
            return
        refuse_if_held(row, [row.resource, row.node.resource], ServiceBusy, "Nothing was changed")
        edit.apply(row)
        record(
            actor=actor,
            action="service.edit",
            project=row.project,
            target=str(row),
            detail=edit.detail(),
            request=request,
        )


def remove_service(*, service: Service, actor: User, request: HttpRequest | None = None) -> None:
    """Forget a service; what runs on the node is left as it is. Raises ServiceBusy."""
    with transaction.atomic():
        row = _locked(service)
        refuse_if_held(row, [row.resource, row.node.resource], ServiceBusy, "Nothing was removed")
        record(
            actor=actor,
            action="service.remove",
            project=row.project,
            target=str(row),
            request=request,
        )
        row.delete()


def _locked(service: Service) -> Service:
    # A deploy locks the row too, before it takes the hold: one of the two comes first.
    rows = Service.objects.select_for_update(of=("self",)).select_related("node", "project", "certificate")
    return rows.get(pk=service.pk)
