"""``ffs worker``: runs operations, by Celery's pool of threads."""

from __future__ import annotations

import os
import socket
import warnings
from typing import Any

from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import load_django, refuse


def run(arguments: list[str]) -> int:
    """Take messages until a signal comes; returns Celery's exit code."""
    if arguments:
        refuse("ffs worker takes no arguments.")
    heartbeat = Heartbeat.taken_from(os.environ)
    load_django("worker")
    from celery import bootsteps, signals
    from celery.exceptions import SecurityWarning

    from ffsweb.celery import app

    class Beating(bootsteps.StartStopStep):
        """Beats from the consumer's own loop: it stops when that hangs, and while there is no broker."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Any) -> None:
            heartbeat.beat()
            self.timer = parent.timer.call_repeatedly(heartbeat.every, heartbeat.beat)

        def stop(self, parent: Any) -> None:
            timer = getattr(self, "timer", None)
            if timer is not None:
                timer.cancel()
                self.timer = None

    # Celery warns of root because of pickled messages; here they are JSON, and carry one integer.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.setup_logging.connect(_keep_ours, weak=False)
    app.steps["consumer"].add(Beating)
    worker = app.Worker(
        pool="threads",
        hostname=f"ffsweb@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        redirect_stdouts=False,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _keep_ours(**_: Any) -> None:
    """Being connected keeps Celery from setting logging up: Django's LOGGING already did."""
