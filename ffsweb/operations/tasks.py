"""What Celery runs. Three lines each: the engine is elsewhere."""

from __future__ import annotations

from typing import Any

from celery import signals

from ffsweb.celery import app

from . import runner, services
from .messages import RUN_TASK
from .stopping import process


@app.task(name=RUN_TASK)
def run_operation(operation_id: int) -> None:
    """Run the operation, if it can be claimed."""
    runner.run(operation_id)


@app.task(name="operations.tick")
def tick() -> None:
    """Send again what is due."""
    services.tick()


@signals.worker_shutting_down.connect
def _stop_runs(**_: Any) -> None:
    # Inside a signal handler: one attribute is set, no lock is taken, no thread is started.
    process.stopping = True


@signals.worker_ready.connect
def _look_at_once(**_: Any) -> None:
    app.send_task("operations.tick", retry=False, expires=15)
