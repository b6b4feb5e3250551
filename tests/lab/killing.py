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
from ffsweb.operations.writes import StepWrite, Write
from tests.deployments.fleet import run


def killed_at(operation: Operation, writes: int) -> bool:
    """Run ``operation`` in a process that is killed when so many step writes are committed; whether it came to that."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            _die_after(writes)
            runner.run(operation.pk)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _die_after(writes: int) -> None:
    real, seen = journal.Journal.write, 0

    def write(self: journal.Journal, batch: Sequence[Write]) -> None:
        nonlocal seen
        real(self, batch)
        seen += sum(isinstance(item, StepWrite) for item in batch)
        if seen >= writes:
            os.kill(os.getpid(), signal.SIGKILL)

    journal.Journal.write = write  # type: ignore[method-assign]


def go_on(operation: Operation) -> Operation:
    """As the worker that takes over when the lease of the killed one has run out."""
    Operation.objects.filter(pk=operation.pk, state="running").update(lease_until=Now() - timedelta(seconds=1))
    return run(operation)
