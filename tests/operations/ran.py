"""An operation of a kind that exists for one test, run to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ffsweb.accounts.models import Project, User
from ffsweb.operations import kinds, runner, services
from ffsweb.operations.contract import Target
from ffsweb.operations.models import Operation


def ran(project: Project, actor: User | None, body: Callable[[Any], Any]) -> Operation:
    """``body`` is what the kind does with its context; what it gives, or raises, is the end."""
    kinds._kinds["test-ran"] = body
    try:
        operation = services.enqueue(
            kind="test-ran",
            project=project,
            actor=actor,
            title="Deploy release 3",
            params={},
            targets=[Target("service:1", "www@node-a")],
            holds=[],
        )
        runner.run(operation.pk)
    finally:
        kinds._kinds.pop("test-ran")
    operation.refresh_from_db()
    return operation
