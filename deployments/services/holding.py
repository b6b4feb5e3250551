"""What an operation holds, by the name that people give it: the engine knows keys alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from deployments.models import Node, Service
from ffsweb.operations import naming
from ffsweb.operations.models import Hold, Wish


class Held(Exception):
    """A row cannot be changed now: ``operation`` holds it, or awaits it."""

    def __init__(self, text: str, *, operation: int) -> None:
        super().__init__(text)
        self.operation = operation


def name_resources() -> None:
    """Let the engine name the node or the service that is held or awaited. One query for each kind."""
    naming.register("node", _nodes)
    naming.register("service", _services)


def refuse_if_held(row: Node | Service, resources: Iterable[str], busy: type[Held], nothing: str) -> None:
    """Raise ``busy`` with who holds or awaits one of ``resources``; ``nothing`` says what was not done. Two queries.

    What somebody waits for stays as it was planned: the change would be for an operation that was asked for earlier.
    """
    keys = list(resources)
    held = Hold.objects.filter(resource__in=keys).select_related("operation").first()
    found = held or Wish.objects.filter(resource__in=keys).select_related("operation").first()
    if found is not None:
        raise busy(
            f"{row} is {'in use' if held else 'awaited'} by operation {found.operation_id} "
            f"“{found.operation.title}”, which {found.operation.actor_name} asked for. {nothing}: wait for its end, "
            "or cancel it.",
            operation=found.operation_id,
        )


def whole_node(node: Node) -> list[str]:
    """The node and all its services: what an operation on the node as a whole holds. One query."""
    return [node.resource, *(service.resource for service in node.services.all())]


def _nodes(keys: Collection[int]) -> dict[int, str]:
    return {pk: str(node) for pk, node in Node.objects.in_bulk(keys).items()}


def _services(keys: Collection[int]) -> dict[int, str]:
    return {pk: str(service) for pk, service in Service.objects.select_related("node").in_bulk(keys).items()}
