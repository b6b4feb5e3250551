"""What Prometheus is told of the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count

from certificates.models import Certificate
from ffsweb.web.metrics import epoch, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

LABELS = ("project", "certificate", "fingerprint")


def inventory() -> Iterator[Metric]:
    """Ends of all certificates, and how much each is used. One query."""
    ends = gauge("certificate_not_after_timestamp_seconds", "When a certificate of the inventory expires.", *LABELS)
    used = gauge("certificate_services", "Services that are to have a certificate of the inventory.", *LABELS)
    replaced = gauge("certificate_replaced", "Whether another certificate was uploaded in its place.", *LABELS)
    rows = Certificate.objects.annotate(
        users=Count("services", distinct=True), newer=Count("replaced_by", distinct=True)
    )
    for row in rows.order_by("pk").values_list(
        "project__name", "label", "fingerprint", "not_after", "users", "newer"
    ):
        project, label, fingerprint, not_after, users, newer = row
        labels = [project, label, fingerprint]
        ends.add_metric(labels, epoch(not_after))
        used.add_metric(labels, users)
        replaced.add_metric(labels, 1 if newer else 0)
    yield from (ends, used, replaced)
