"""What an operator may ask of a node besides a deploy: each becomes an operation that the worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from deployments.services.holding import whole_node
from ffsweb.audit.services import record
from ffsweb.operations.services import Target, enqueue

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpRequest

    from deployments.models import Node, Service
    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation


def request_reading(*, node: Node, actor: User, request: HttpRequest | None = None) -> Operation:
    """Read a node now. It changes nothing there, so it holds nothing."""
    return _request(
        kind="read",
        title=f"Read {node}",
        project=node.project,
        actor=actor,
        target=node,
        request=request,
    )


def request_enrolment(
    *, node: Node, actor: User, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """Make the first contact with a node, held with all its services; raises Busy, or with ``wait`` waits."""
    return _request(
        kind="enrol",
        title=f"First contact with {node}",
        project=node.project,
        actor=actor,
        target=node,
        holds=whole_node(node),
        wait=wait,
        request=request,
    )


def request_control(
    *, service: Service, verb: str, actor: User, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """``start``, ``stop`` or ``restart`` a service; raises Busy, or with ``wait`` waits."""
    return _request(
        kind="control",
        title=f"{verb.capitalize()} {service}",
        project=service.project,
        actor=actor,
        target=service,
        params={"verb": verb},
        holds=[service.resource],
        wait=wait,
        request=request,
    )


def request_journal(
    *, service: Service, search: str, follow: bool, actor: User, request: HttpRequest | None = None
) -> Operation:
    """Read a service's journal from the node; with ``follow`` until it is cancelled or ten minutes have passed."""
    return _request(
        kind="journal",
        title=f"Journal of {service}",
        project=service.project,
        actor=actor,
        target=service,
        params={"search": search, "follow": follow},
        request=request,
    )


def request_import(
    *, project: Project, what: str, upload: Path, name: str, actor: User, request: HttpRequest | None = None
) -> Operation:
    """Take an uploaded archive into the store; ``what`` is ``image`` or ``files``, ``upload`` is the file's path."""
    with transaction.atomic():
        operation = enqueue(
            kind=f"import-{what}",
            project=project,
            actor=actor,
            title=f"Take in {what}: {name}"[:200],
            params={"upload": upload.name, "name": name},
            targets=[],
            holds=[],
        )
        record(
            actor=actor,
            action=f"{what}.upload",
            project=project,
            target=name,
            detail={"operation": operation.pk},
            request=request,
        )
    return operation


def _request(
    *,
    kind: str,
    title: str,
    project: Project,
    actor: User,
    target: Node | Service,
    request: HttpRequest | None,
    params: dict[str, object] | None = None,
    holds: list[str] | None = None,
    wait: bool = False,
) -> Operation:
    with transaction.atomic():
        operation = enqueue(
            kind=kind,
            project=project,
            actor=actor,
            title=title,
            params=params or {},
            targets=[Target(key=target.resource, label=str(target))],
            holds=holds or [],
            wait=wait,
        )
        record(
            actor=actor,
            action=f"operation.{kind}",
            project=project,
            target=str(target),
            detail={"operation": operation.pk, **(params or {}), **({"wait": True} if wait else {})},
            request=request,
        )
    return operation
