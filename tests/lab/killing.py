"""A worker that is killed in the middle of an operation, and the one that takes over."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from datetime import timedelta

from django.db import connections
from django.db.models.functions import Now

from ffsweb.operations import journal, runner
from ffsweb.operations.models import Operation
from ffsweb.operations.states import StepState
from ffsweb.operations.writes import StepWrite, Write
from tests.deployments.fleet import run


def killed_at(operation: Operation, marks: int) -> bool:
    """Run ``operation`` in a process that is killed when so many of its steps' begins and ends are committed.

    Those that earlier workers committed count, but none counts twice. False if it came to its end before that.
    """
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            _die_after(operation, marks)
            runner.run(operation.pk)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def marks_of(operation: Operation) -> set[tuple[str, int | None, bool]]:
    """Which steps were begun (False) and ended (True), by name and target. One query."""
    rows = operation.steps.values_list("name", "target_id", "finished_at")
    return {(name, target, end) for name, target, ended in rows for end in (False, True) if ended or not end}


def _die_after(operation: Operation, marks: int) -> None:
    real, seen = journal.Journal.write, marks_of(operation)

    def write(self: journal.Journal, batch: Sequence[Write]) -> None:
        real(self, batch)
        steps = [item for item in batch if isinstance(item, StepWrite)]
        seen.update((step.name, step.target_id, step.state is not StepState.INTENT) for step in steps)
        if steps and len(seen) >= marks:
            os.kill(os.getpid(), signal.SIGKILL)

    journal.Journal.write = write  # type: ignore[method-assign]


def killed_again_and_again(operation: Operation, places: set[int], *, deaths: int) -> tuple[Operation, int]:
    """Kill workers of one operation at several of ``places`` (see :func:`killed_at`), far from each other, and end it.

    The lowest place is met for certain, those after it where the operation still comes by; what was met is taken out
    of ``places``. Returns the operation as it ended, and how many workers were killed.
    """
    apart, met = -(-len(places) // deaths), 0
    place: int | None = min(places)
    while place is not None and met < deaths:
        if not killed_at(operation, place):
            assert met, f"no worker was killed at {place}"
            break
        places.discard(place)
        met += 1
        place = min((other for other in places if other >= place + apart), default=None)
        abandon(operation)
    return run(operation), met


def abandon(operation: Operation) -> None:
    """As when the lease of the killed worker has run out."""
    Operation.objects.filter(pk=operation.pk, state="running").update(lease_until=Now() - timedelta(seconds=1))


def go_on(operation: Operation) -> Operation:
    """As the worker that takes over when the lease of the killed one has run out."""
    abandon(operation)
    return run(operation)
