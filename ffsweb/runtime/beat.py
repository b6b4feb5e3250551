"""``ffs beat``: the clock that wakes the worker up. Two of them do no harm."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import load_django, refuse


def run(arguments: list[str]) -> int:
    """Send ticks until a signal comes."""
    if arguments:
        refuse("ffs beat takes no arguments.")
    heartbeat = Heartbeat.taken_from(os.environ)
    load_django("beat")
    from celery.beat import Scheduler, Service

    from ffsweb.celery import app

    class Beating(Scheduler):
        """Beats after each pass: it stops when a pass hangs, for instance on a broker that is gone."""

        def tick(self, *arguments: Any, **options: Any) -> float:
            delay = super().tick(*arguments, **options)
            heartbeat.beat()
            return min(float(delay), heartbeat.every)

    app.loader.import_default_modules()  # the ticks register themselves in the apps' task modules
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    Service(cast("Any", app), scheduler_cls=Beating).start()
    return 0


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)
