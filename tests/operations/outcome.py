"""What became of an operation that other processes run."""

from __future__ import annotations

from ffsweb.operations import services
from ffsweb.operations.models import LogLine, Operation


def state_of(operation: Operation) -> str:
    return Operation.objects.values_list("state", flat=True).get(pk=operation.pk)


def lines_of(operation: Operation) -> list[str]:
    """The log, whose numbers count from 1 without a gap."""
    rows = list(LogLine.objects.filter(operation=operation).values_list("number", "text"))
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [text for _, text in rows]


def ticking() -> bool:
    """The tick, which beat would send; always true."""
    return services.tick() >= 0
