"""``ffs worker``: runs operations, by Celery's pool of threads."""

from __future__ import annotations

import os
import socket
import warnings
from typing import Any, Final

from ffsweb.runtime import pool
from ffsweb.runtime.broker import AWAY, bound, tell_while_away
from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import refuse
from ffsweb.runtime.prepare import load_safely

LOOK: Final = 1.0
"""Seconds between looks at the pool's answer, at most."""


NICE: Final = 5
"""How much later than the web process this one gets a processor that both want: who opens a page waits for it."""


def stand_back() -> None:
    """Let the pages go first (nice(2)); what this process starts does so too."""
    os.nice(NICE)


def run(arguments: list[str]) -> int:
    """Take messages until a signal comes; returns Celery's exit code."""
    if arguments:
        refuse("ffs worker takes no arguments.")
    heartbeat = Heartbeat.taken_from(os.environ)
    stand_back()
    load_safely("worker")
    from celery import signals
    from celery.exceptions import SecurityWarning

    from ffsweb.celery import app

    # Celery warns of root because of pickled messages; here they are JSON, and carry one integer.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.setup_logging.connect(_keep_ours, weak=False)
    bound(app)
    step, consumer = parts(heartbeat)
    app.steps["consumer"].add(step)
    worker = app.Worker(
        pool="threads",
        hostname=f"ffsweb@{socket.gethostname()}",
        consumer_cls=consumer,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        redirect_stdouts=False,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def parts(heartbeat: Heartbeat) -> tuple[Any, Any]:
    """A step of Celery's consumer that beats, and a consumer that tells while it has no broker."""
    from celery import bootsteps
    from celery.worker.consumer import Consumer

    class Beating(bootsteps.StartStopStep):
        """Beats from the consumer's own loop, while threads of the pool answer, and so does the broker to them."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Any) -> None:
            watch = pool.PoolWatch(parent.pool.executor, broker_lack, every=heartbeat.every, still=pool.STILL)

            def look() -> None:
                lack = watch.look()
                if lack:
                    heartbeat.waits(lack)
                elif lack is not None:
                    heartbeat.beat()

            look()
            self.timer = parent.timer.call_repeatedly(min(LOOK, heartbeat.every / 2), look)

        def stop(self, parent: Any) -> None:
            timer = getattr(self, "timer", None)
            if timer is not None:
                timer.cancel()
                self.timer = None

    class Telling(Consumer):
        """Says what it waits for while it tries to connect."""

        def ensure_connected(self, conn: Any) -> Any:
            return super().ensure_connected(tell_while_away(conn, heartbeat))

    return Beating, Telling


def broker_lack() -> str:
    """ "" if the broker answers, else the words for it; one message, one second at most."""
    from ffsweb.health import broker

    return "" if broker().good else AWAY


def _keep_ours(**_: Any) -> None:
    """Being connected keeps Celery from setting logging up: Django's LOGGING already did."""
