"""What Prometheus is told of operations that have ended. Counted as they end, so retention takes nothing away."""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from ffsweb.web.metrics import counter, histogram

from . import kinds
from .metrics import OTHER
from .models import Tally
from .states import TERMINAL
from .tallies import BOUNDS, ENDED, LONGER, NEVER_BEGUN, TAKEN_OVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


def history() -> Iterator[Metric]:
    """One query, of at most some hundred rows."""
    known = (*kinds.registered(), OTHER)
    ends: dict[tuple[str, str], int] = defaultdict(int)
    classes: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    sums: dict[str, float] = defaultdict(float)
    takeovers: dict[str, int] = defaultdict(int)
    for row in Tally.objects.all():
        kind = row.kind if row.kind in known else OTHER
        if row.event == TAKEN_OVER:
            takeovers[kind] += row.number
        elif row.event == ENDED:
            ends[kind, row.outcome] += row.number
            if row.bound != NEVER_BEGUN:
                classes[kind][row.bound] += row.number
                sums[kind] += row.seconds
    ended = counter("operations_ended", "Operations that ended, by their kind and outcome.", "kind", "outcome")
    taken = counter("operations_taken_over", "Claims from a worker that had vanished.", "kind")
    took = histogram(
        "operation_duration_seconds", "From the first claim to the end, pauses and questions included.", "kind"
    )
    for kind in known:
        for outcome in sorted(TERMINAL):
            ended.add_metric([kind, str(outcome)], ends[kind, str(outcome)])
        taken.add_metric([kind], takeovers[kind])
        took.add_metric([kind], buckets=_buckets(classes[kind]), sum_value=sums[kind])
    yield from (ended, taken, took)


def _buckets(numbers: dict[int, int]) -> list[tuple[str, float]]:
    """Cumulative, from the least bound to infinity. Numbers of bounds that are no more counted go to the next one."""
    ends = (*(float(bound) for bound in BOUNDS), float("inf"))
    each = dict.fromkeys(ends, 0)
    for bound, number in numbers.items():
        each[next(end for end in ends if (bound != LONGER and bound <= end) or end == ends[-1])] += number
    return [(_text(end), total) for end, total in zip(ends, accumulate(each.values()), strict=True)]


def _text(end: float) -> str:
    return "+Inf" if end == float("inf") else str(end)
