"""The image store is collected: what nothing needs any more is removed, never while something is taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from deployments.models import Collection
from deployments.models.image_store import store
from deployments.oci.errors import ImageError, StoreBusy
from deployments.oci.store import gc

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployments.oci.store import Keep

logger = structlog.get_logger(__name__)

REMEMBERED = 100
"""Collections of which the rows are kept."""


def ask() -> None:
    """Let the clock ask for a collection, unless one is waiting."""
    if not Collection.objects.open().exists():
        Collection.objects.create()


def collect_open(keep: Callable[[], Keep]) -> None:
    """Do what was asked for. A busy store is left for the next tick: the row goes on waiting, and says why.

    One query if nothing was asked for. Time: a look at every blob, and a read of every manifest.
    """
    asked = list(Collection.objects.open().values_list("pk", flat=True))
    if not asked:
        return
    rows = Collection.objects.open().filter(pk__in=asked)
    try:
        removed = gc(store(), keep)
    except StoreBusy as error:
        rows.update(problem=f"{error.what} The collection waits for its end.")
        return
    except (ImageError, OSError) as error:
        logger.warning("image_collection_failed", reason=str(error))
        rows.update(ended_at=timezone.now(), problem=f"{error} Nothing more is removed until this is mended.")
        return
    logger.info("image_collection", blobs=removed.blobs, bytes=removed.size, kept_bytes=removed.kept_size)
    rows.update(
        ended_at=timezone.now(),
        problem="",
        freed_blobs=removed.blobs,
        freed_bytes=removed.size,
        kept_blobs=removed.kept_blobs,
        kept_bytes=removed.kept_size,
    )
    old = Collection.objects.values_list("pk", flat=True)[REMEMBERED : 2 * REMEMBERED]
    Collection.objects.filter(pk__in=list(old)).delete()
