"""The Celery application: how workers take messages, and the clock that beats.

Messages are wake-ups; the database is the queue of record. So results are ignored, every message may come twice, and
what is not taken soon is dropped and sent again. The pool is of threads: operations wait for nodes nearly all the
time, and Celery's own time limits and revocation, which threads do not have, are not used.

Other applications add their ticks with :func:`every`, in their ``tasks`` module or ``AppConfig.ready()``.
"""

from __future__ import annotations

import os
from typing import Any, Final

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Ignore
from celery.schedules import schedule
from django.conf import settings

from ffsweb.operations import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ffsweb.settings")

VISIBILITY_TIMEOUT: Final = 12 * 3600
"""Seconds until Redis hands an unacknowledged message out again; longer than any operation runs in one piece. The
guard against running twice is the claim in the database, not this."""


class WaitingTask(DjangoTask):
    """Does nothing in a worker as long as a restored database waits for its word; the clock sends it again."""

    def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises Ignore. One query for each message."""
        from ffsweb.operations.restored import waits  # models are not there yet when this file is read

        if waits():
            raise Ignore


broker.install()
app = Celery("ffsweb", task_cls=WaitingTask, set_as_current=True)
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "socket_connect_timeout": 2,
        "max_retries": 1,  # of a publisher; a request must not hang because Redis is away
        "interval_start": 0.1,
    },
    task_serializer="json",
    accept_content=["json"],
    event_serializer="json",
    task_default_queue="ffsweb",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_publish_retry=False,
    worker_pool="threads",
    worker_concurrency=50,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_enable_remote_control=False,
    beat_scheduler="celery.beat:Scheduler",  # in memory: intervals only, and no file to keep
    beat_schedule={},
    beat_max_loop_interval=5,
    timezone="UTC",
    enable_utc=True,
)
app.autodiscover_tasks()


def every(seconds: float, *, task: str, name: str = "") -> None:
    """Let beat send ``task`` (its registered name, no arguments) every ``seconds``.

    A message that no worker took before the next one is due is dropped. Two beats at once do no harm if the task does
    nothing but look for rows that are due.
    """
    app.conf.beat_schedule[name or task] = {
        "task": task,
        "schedule": schedule(seconds),
        "options": {"expires": seconds},
    }


every(15.0, task="operations.tick")
