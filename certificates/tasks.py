"""The clock of certificates: what nears its end is told."""

from __future__ import annotations

from django.utils import timezone

from certificates.models import Alert
from certificates.services import alerts
from ffsweb.celery import app, every

LOOK = "certificates.look"
FORGET = "certificates.forget"

every(3600.0 / alerts.SLOTS / 2, task=LOOK)  # twice in each part of the hour, so that none is missed


every(6 * 3600.0, task=FORGET)


@app.task(name=LOOK)
def look() -> None:
    """Tell the projects whose moment it is."""
    alerts.look(timezone.now())


@app.task(name=FORGET)
def forget() -> None:
    """Remove what was over more than a year ago."""
    Alert.objects.forget_old(timezone.now())
