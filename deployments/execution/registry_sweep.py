"""What pushes left unfinished is removed, and rows of blobs that the store no longer has. By the clock."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from deployments.models import ProjectBlob, PushedManifest
from deployments.models.image_store import store
from deployments.models.registry import UNFINISHED
from deployments.oci.partfile import InUse, PartFile, Vanished
from ffsweb.operations.models import Operation


def expire_pushes() -> int:
    """Remove uploads to which nothing came for a day; how many. One that is being sent to stays."""
    directory: Path = settings.DATA / "pushes"
    removed = 0
    for path in directory.iterdir() if directory.is_dir() else ():
        with suppress(InUse, Vanished), PartFile(path):
            if time.time() - path.stat().st_mtime > UNFINISHED.total_seconds():
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def left_pulls() -> int:
    """Remove what pulls were fetching whose worker was killed, once their operations have ended; how many."""
    directory: Path = settings.DATA / "pulls"
    there = list(directory.glob("*-*"))  # before the operations: one that begins now may make its directory meanwhile
    active = {str(pk) for pk in Operation.objects.active().filter(kind="pull-image").values_list("pk", flat=True)}
    left = [path for path in there if path.name.partition("-")[0] not in active]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return len(left)


def forget_pushed() -> int:
    """Remove rows that say nothing any more: of blobs that were collected, and of attestations; how many."""
    blobs, before = store().blobs, timezone.now() - UNFINISHED
    old = ProjectBlob.objects.filter(used_at__lt=before).values_list("pk", "diff_id")
    gone = [pk for pk, diff_id in old if not blobs.has(diff_id)]
    for start in range(0, len(gone), 500):
        ProjectBlob.objects.filter(pk__in=gone[start : start + 500], used_at__lt=before).delete()
    passed_over, _ = PushedManifest.objects.filter(image=None, document="", created_at__lt=before).delete()
    return len(gone) + passed_over
