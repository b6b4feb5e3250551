"""What Prometheus is told of mail: what waits in the outbox, and what was given up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q
from django.utils import timezone

from ffsweb.web.metrics import epoch, single

from .models import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

DAY = timedelta(days=1)


def outbox() -> Iterator[Metric]:
    """Two queries."""
    waiting = Message.objects.queued().aggregate(
        number=Count("pk"), oldest=Min("created_at"), server=Count("pk", filter=Q(waits_for_server=True))
    )
    yield single("outbox_messages", "Mails that were neither sent nor given up.", waiting["number"])
    text = "Of these: those whose last attempt failed at the mail server, not at the mail itself."
    yield single("outbox_messages_waiting_for_server", text, waiting["server"])
    if waiting["oldest"] is not None:
        text = "When the oldest mail in the outbox was written."
        yield single("outbox_oldest_timestamp_seconds", text, epoch(waiting["oldest"]))
    lost = Message.objects.filter(state=Message.State.GIVEN_UP, created_at__gte=timezone.now() - DAY)
    yield single("outbox_given_up", "Mails of the last 24 hours that were given up.", lost.count())
