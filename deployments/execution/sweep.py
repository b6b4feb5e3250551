"""What no row names any more leaves the data directory. Independent of deploys: it runs by the clock."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from pathlib import Path

import structlog
from django.conf import settings

from deployments.core.filetree_errors import FilesError
from deployments.execution.file_deltas import file_forms
from deployments.models import FilesVersion, Upload
from deployments.oci.filestore import collect, files_directory
from deployments.oci.partfile import InUse, PartFile, Vanished
from ffsweb.operations.models import Operation

logger = structlog.get_logger(__name__)

ABANDONED = 24 * 3600
"""Seconds after which an upload that no active operation waits for is given up."""


def uploads(directory: Path) -> int:
    """Remove uploads that were never taken in; how many."""
    if not directory.is_dir():
        return 0
    waiting = {
        str(params.get("upload", ""))
        for params in Operation.objects.active().filter(kind__startswith="import-").values_list("params", flat=True)
    }
    waiting |= set(Upload.objects.unfinished().values_list("key", flat=True))  # these have a time of their own
    removed = 0
    for path in directory.iterdir():
        if path.name not in waiting and time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def expired_uploads() -> int:
    """Remove uploads that nobody went on with, and the rows of those that ended long ago; how many."""
    removed = 0
    for upload in Upload.objects.expired():
        with suppress(InUse, Vanished):  # somebody sends to it, or was quicker: next time
            removed += _expire(upload)
    return removed


def _expire(upload: Upload) -> int:
    unfinished = upload.state == Upload.State.OPEN
    with PartFile(upload.path) if unfinished and upload.path.exists() else nullcontext():
        gone, _ = Upload.objects.expired().filter(pk=upload.pk, state=upload.state).delete()
        if gone and unfinished:
            upload.path.unlink(missing_ok=True)
    return gone


def files() -> None:
    """Remove the content of project files that no version names, and the differences between such."""
    blobs = files_directory(settings.DATA / "files")
    try:
        collect(blobs, [version.tree() for version in FilesVersion.objects.all()])
        forms = file_forms()
        forms.forget(blobs.digests())
        forms.tidy()
    except FilesError as error:
        logger.warning("files_sweep_postponed", reason=str(error))
