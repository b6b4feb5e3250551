"""What Prometheus is told of webhooks: what waits to be delivered, and which endpoints were switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Min

from ffsweb.web.metrics import epoch, single

from .models import Delivery, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


def deliveries() -> Iterator[Metric]:
    """Two queries."""
    waiting = Delivery.objects.queued().aggregate(number=Count("pk"), oldest=Min("created_at"))
    yield single("webhook_deliveries", "Events that were neither delivered nor given up.", waiting["number"])
    if waiting["oldest"] is not None:
        text = "When the oldest event that is still to be delivered came."
        yield single("webhook_oldest_timestamp_seconds", text, epoch(waiting["oldest"]))
    stopped = Endpoint.objects.exclude(stopped="").count()
    yield single("webhooks_stopped", "Webhooks to which nothing is sent any more.", stopped)
