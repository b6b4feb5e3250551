"""Fencing pairs: each claim gets a higher one, and nodes refuse a lower one than they have seen."""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models import F

from .contract import FencePair
from .models import Fence


def next_pair() -> FencePair:
    """A pair higher than all before. To be called inside a transaction; it locks the one row until the end of it."""
    Fence.objects.get_or_create(pk=1)
    Fence.objects.filter(pk=1).update(counter=F("counter") + 1)
    row = Fence.objects.get(pk=1)
    return FencePair(row.epoch, row.counter)


def new_epoch() -> FencePair:
    """Begin a higher epoch, at counter 0. For a database that was restored: its counter lags behind the nodes'."""
    with transaction.atomic():
        row, _ = Fence.objects.select_for_update().get_or_create(pk=1)
        row.epoch = max(row.epoch + 1, int(time.time()))
        row.counter = 0
        row.save()
    return FencePair(row.epoch, row.counter)
