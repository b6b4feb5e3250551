"""The tick of the self-test."""

from __future__ import annotations

from django.utils import timezone

from ffsweb.backup import selftest
from ffsweb.celery import app, every

every(600.0, task="backup.look")


@app.task(name="backup.look")
def look() -> None:
    """Look whether a restore would do, if it is time."""
    selftest.look(timezone.now())
