"""``ffs beat``: the clock that wakes the worker up. Two of them do no harm."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

from ffsweb.runtime.broker import AWAY, bound, tell_while_away
from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import refuse
from ffsweb.runtime.prepare import load_safely


def run(arguments: list[str]) -> int:
    """Send ticks until a signal comes."""
    if arguments:
        refuse("ffs beat takes no arguments.")
    heartbeat = Heartbeat.taken_from(os.environ)
    load_safely("beat")
    from celery.beat import Service

    from ffsweb.celery import app

    bound(app)
    app.loader.import_default_modules()  # the ticks register themselves in the apps' task modules
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    Service(cast("Any", app), scheduler_cls=scheduler(heartbeat)).start()
    return 0


def scheduler(heartbeat: Heartbeat) -> Any:
    """Celery's scheduler, which beats after each pass, and says so while the broker takes nothing."""
    from celery.beat import Scheduler

    class Beating(Scheduler):
        away = False

        def tick(self, *arguments: Any, **options: Any) -> float:
            delay = super().tick(*arguments, **options)
            if self.away:
                heartbeat.waits(AWAY)
            else:
                heartbeat.beat()
            return min(float(delay), heartbeat.every)

        def apply_async(self, *arguments: Any, **options: Any) -> Any:
            try:
                sent = super().apply_async(*arguments, **options)
            except Exception:
                self.away = True
                heartbeat.waits(AWAY)  # several that fail, one after the other, take their time
                raise
            self.away = False
            return sent

        def _ensure_connected(self) -> Any:
            tell_while_away(self.connection, heartbeat)
            return super()._ensure_connected()  # type: ignore[misc]  # not in its stubs

    return Beating


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)
