"""What an operation holds, by the name that people give it: the engine knows keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.models import Node, Service
from ffsweb.operations.errors import Busy


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


def _name(resource: str) -> str:
    kind, _, pk = resource.partition(":")
    if kind == "node":
        return str(Node.objects.filter(pk=int(pk)).first() or "")
    if kind == "service":
        return str(Service.objects.select_related("node").filter(pk=int(pk)).first() or "")
    return ""
