"""What is old and needed by nothing leaves the dashboard, by the clock, whether anything is deployed or not.

Each kind for itself, each project for itself: what cannot be done for one is no reason to leave the others.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from deployments.models import FilesVersion, Release
from deployments.models.retained import loose_images, needed_releases, telling_operations
from ffsweb.accounts.models import Project
from ffsweb.audit import services as audit
from ffsweb.operations import retention

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = structlog.get_logger(__name__)

NAMED = 50
"""Things that an audit event names; it counts them all."""


def forget_all() -> None:
    """Forget what is old of every project."""
    for project in Project.objects.all():
        for forget in (operations, releases, files, images):
            try:
                forget(project)
            except DatabaseError as error:
                logger.warning("retention_postponed", project=project.name, what=forget.__name__, reason=str(error))


def operations(project: Project) -> int:
    """Operations that ended long ago, with their logs; how many."""
    age, least = timedelta(days=settings.KEEP_OPERATIONS_DAYS), settings.KEEP_OPERATIONS
    gone = retention.forget(project, age=age, least=least, spared=telling_operations(project))
    _told(project, "operations", gone)
    return len(gone)


def releases(project: Project) -> int:
    """Old releases; how many. Their images and files go later, when nothing else needs them."""
    with transaction.atomic():
        _alone(project)
        needed = needed_releases(project, settings.KEEP_RELEASES)
        rows = Release.objects.filter(project=project).exclude(number__in=needed)
        gone = sorted(rows.values_list("number", flat=True))
        rows.delete()
        _told(project, "releases", gone)
    return len(gone)


def files(project: Project) -> int:
    """Versions of files of which no release is made; how many. Never the newest, so that no number is given twice."""
    with transaction.atomic():
        _alone(project)
        rows = FilesVersion.objects.filter(project=project)
        newest = max(rows.values_list("number", flat=True), default=0)
        loose = rows.filter(releases__isnull=True, created_at__lt=_before(), number__lt=newest)
        gone = sorted(loose.values_list("number", flat=True))
        rows.filter(number__in=gone).delete()
        _told(project, "files", gone)
    return len(gone)


def images(project: Project) -> int:
    """Images that nothing refers to; how many. Their blobs go with the next collection of the store."""
    with transaction.atomic():
        _alone(project)
        gone = loose_images(project, _before())
        for image in gone:
            image.delete()
        _told(project, "images", [str(image) for image in gone])
    return len(gone)


def _before() -> datetime:
    return timezone.now() - timedelta(days=settings.KEEP_IMAGES_DAYS)


def _alone(project: Project) -> None:
    """As releases are made and images removed: one after the other in each project."""
    Project.objects.select_for_update().get(pk=project.pk)


def _told(project: Project, what: str, gone: Iterable[object]) -> None:
    found = list(gone)
    if found:
        logger.info("retention", project=project.name, what=what, count=len(found))
        detail = {"count": len(found), what: found[:NAMED]}
        audit.record(actor=None, action=f"retention.{what}", project=project, detail=detail)
