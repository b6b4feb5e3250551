"""What an operation holds, by the name that people give it: the engine knows keys alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from deployments.models import Node, Service
from ffsweb.operations.errors import Busy
from ffsweb.operations.models import Hold


@contextmanager
def busy_by_name() -> Iterator[None]:
    """Lets Busy name the node or the service that is held. Two queries, if it is raised; use it outside of atomic."""
    try:
        yield
    except Busy as busy:
        raise Busy(
            resource=busy.resource,
            label=_name(busy.resource) or busy.label,
            holder_id=busy.holder_id,
            holder_title=busy.holder_title,
            actor=busy.actor,
            since=busy.since,
        ) from busy


def refuse_if_held(row: Node | Service, resources: Iterable[str], busy: type[Exception], nothing: str) -> None:
    """Raise ``busy`` with who holds one of ``resources``; ``nothing`` says what was not done. One query."""
    held = Hold.objects.filter(resource__in=list(resources)).select_related("operation").first()
    if held is not None:
        raise busy(
            f"{row} is in use by operation {held.operation_id} “{held.operation.title}”, which "
            f"{held.operation.actor_name} asked for. {nothing}: wait for its end, or cancel it."
        )


def whole_node(node: Node) -> list[str]:
    """The node and all its services: what an operation on the node as a whole holds. One query."""
    return [node.resource, *(service.resource for service in node.services.all())]


def _name(resource: str) -> str:
    kind, _, pk = resource.partition(":")
    if kind == "node":
        return str(Node.objects.filter(pk=int(pk)).first() or "")
    if kind == "service":
        return str(Service.objects.select_related("node").filter(pk=int(pk)).first() or "")
    return ""
