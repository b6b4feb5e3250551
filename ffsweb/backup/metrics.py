"""What Prometheus is told of backups: how old the newest is, and whether a restore would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffsweb.web.metrics import epoch, single

from .models import Backup, KeysCopy, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


def backups() -> Iterator[Metric]:
    """Three queries."""
    last = Backup.objects.first()
    if last is not None:
        yield single("backup_timestamp_seconds", "When the newest backup was made.", epoch(last.made_at))
        yield single("backup_size_bytes", "Size of the newest backup.", last.size)
    copy = KeysCopy.objects.first()
    if copy is not None:
        text = "When the keys were copied last; a ring that was rotated since needs another copy."
        yield single("backup_keys_timestamp_seconds", text, epoch(copy.made_at))
    watch = Watch.objects.first()
    if watch is not None and watch.looked_at is not None:
        text = "Whether the last daily look found that a restore would not do."
        yield single("backup_trouble", text, 1 if watch.trouble else 0)
        text = "When it was looked last whether a restore would do: once a day."
        yield single("backup_looked_timestamp_seconds", text, epoch(watch.looked_at))
