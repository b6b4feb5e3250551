"""Webhooks in the seeded installation: one that works, one that was switched off, one of the installation."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ffsweb.accounts.models import User
from ffsweb.webhooks import services
from ffsweb.webhooks.events import USUAL
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.deployments.fleet import Fleet

URL = "https://hooks.example.org/services/T00000000/B00000000/ffsweb"
OFF = "Nothing was taken for 5 days. The last time: https://pager.example.org could not be reached: timed out."


def webhooks(fleet: Fleet) -> dict[str, int]:
    """Everything that their pages can show; the keys by name."""
    now = timezone.now()
    rows = {
        name: services.add(actor=fleet.alice, project=project, url=url, events=USUAL)[0]
        for name, project, url in (
            ("on", fleet.project, URL),
            ("off", fleet.project, "https://pager.example.org/v2/enqueue"),
            ("all", None, "https://[2001:db8::7]:8443/all"),
        )
    }
    services.rotate(rows["on"], actor=User.objects.get(username="alice"))
    Endpoint.objects.filter(pk=rows["on"].pk).update(failing_since=now - timedelta(minutes=12))
    Endpoint.objects.filter(pk=rows["off"].pk).update(stopped=OFF)
    for at, (event, state, status, error, attempts) in enumerate(
        (
            ("operation.rolled_back", "sent", 204, "", 1),
            ("node.unreachable", "given_up", 404, "It was not taken for a week. The answer was 404.", 172),
            ("service.degraded", "queued", 500, "The answer was 500.", 3),
        )
    ):
        Delivery.objects.create(
            endpoint=rows["on"], event=event, key=f"seed:{at}", body="{}", state=state, status=status,
            last_error=error, attempts=attempts, created_at=now - timedelta(minutes=40 - at),
            next_at=now + timedelta(minutes=14), give_up_at=now + timedelta(days=7),
        )  # fmt: skip
    return {name: row.pk for name, row in rows.items()}
