"""What no row names any more leaves the data directory. Independent of deploys: it runs by the clock."""

from __future__ import annotations

import time
from pathlib import Path

import structlog
from django.conf import settings

from deployments.core.filetree_errors import FilesError
from deployments.execution.imports import store
from deployments.models import FilesVersion, Image
from deployments.oci.errors import ImageError
from deployments.oci.filestore import collect, files_directory
from deployments.oci.store import gc
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
    removed = 0
    for path in directory.iterdir():
        if path.name not in waiting and time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def images() -> None:
    """Remove the blobs of images that no row names. A busy store is left for the next time."""
    try:
        gc(store(), set(Image.objects.values_list("manifest_digest", flat=True)))
    except ImageError as error:
        logger.warning("image_sweep_postponed", reason=str(error))


def files() -> None:
    """Remove the content of project files that no version names."""
    blobs = files_directory(settings.DATA / "files")
    try:
        collect(blobs, [version.tree() for version in FilesVersion.objects.all()])
    except FilesError as error:
        logger.warning("files_sweep_postponed", reason=str(error))
