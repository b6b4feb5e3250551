"""The clock of certificates: what nears its end is told."""

from __future__ import annotations

from django.utils import timezone

from certificates.services import alerts
from ffsweb.celery import app, every

LOOK = "certificates.look"

every(3600.0 / alerts.SLOTS / 2, task=LOOK)  # twice in each part of the hour, so that none is missed


@app.task(name=LOOK)
def look() -> None:
    """Tell the projects whose moment it is."""
    alerts.look(timezone.now())
