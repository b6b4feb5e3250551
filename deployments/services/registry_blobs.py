"""The blobs that a project has in the store, as pushers call them."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from deployments.models import Image, ImageLayer, ProjectBlob
from deployments.models.image_store import store
from deployments.oci.blobs import GRACE
from deployments.oci.digests import is_digest
from deployments.oci.distribution_blobs import DOCUMENT, TakenBlob
from deployments.oci.limits import ImageLimits
from deployments.oci.manifests import OCI_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deployments.oci.store import Store
    from ffsweb.accounts.models import Project

TOUCH_EVERY = dt.timedelta(minutes=5)


def pushes() -> Path:
    """Where uploads wait that are not whole yet."""
    path: Path = settings.DATA / "pushes"
    return path


def limits() -> ImageLimits:
    """What this installation takes of one pushed layer, as sent and unpacked."""
    return ImageLimits(
        archive_bytes=settings.UPLOAD_LIMIT, layer_bytes=max(ImageLimits().layer_bytes, settings.UPLOAD_LIMIT)
    )


def keep(project: Project, blob: TakenBlob) -> None:
    """The project has this blob from now on. Two pushes at once may bring the same."""
    ProjectBlob.objects.update_or_create(
        project=project,
        digest=blob.digest,
        defaults={
            "diff_id": blob.diff_id,
            "size": blob.size,
            "content_size": blob.content_size,
            "media_type": blob.media_type,
            "used_at": timezone.now(),
        },
    )


def find(project: Project, digest: str) -> TakenBlob | None:
    """A blob that the project has and the store holds, by its pushed digest or by the digest under which it is kept.

    Whoever asks may be about to push an image of it: it stays for a day. Up to four queries.
    """
    if not is_digest(digest):
        return None
    the_store = store()
    row = project.blobs.filter(digest=digest).first()
    found = _taken(row) if row else _of_an_image(project, the_store, digest)
    if found is None or not the_store.blobs.has(found.diff_id):
        return None
    if row is None:
        keep(project, found)
    elif timezone.now() - row.used_at > TOUCH_EVERY:
        ProjectBlob.objects.filter(pk=row.pk).update(used_at=timezone.now())
    _make_young(the_store, found.diff_id)
    return found


def of_manifest(project: Project, digests: Iterable[str]) -> dict[str, TakenBlob]:
    """Those of the blobs that the project has, by their pushed digests; whether the store holds them is not asked."""
    wanted = set(digests)
    found = {row.digest: _taken(row) for row in project.blobs.filter(digest__in=wanted)}
    for digest in wanted - found.keys():
        blob = _of_an_image(project, store(), digest)
        if blob:
            found[digest] = blob
    return found


def _of_an_image(project: Project, the_store: Store, digest: str) -> TakenBlob | None:
    """A layer or configuration of an image that the project has, however it came. Up to two queries."""
    layer = ImageLayer.objects.filter(image__project=project, diff_id=digest).first()
    if layer is not None:
        return TakenBlob(digest, digest, layer.size, layer.size, OCI_LAYER)
    if Image.objects.filter(project=project, image_id=digest).exists() and the_store.blobs.has(digest):
        size = the_store.blobs.size(digest)
        return TakenBlob(digest, digest, size, size, DOCUMENT)
    return None


def _taken(row: ProjectBlob) -> TakenBlob:
    return TakenBlob(row.digest, row.diff_id, row.size, row.content_size, row.media_type)


def _make_young(the_store: Store, digest: str) -> None:
    """A collection that has begun already passes young blobs over. Not at every request: a file whose time changes
    has to be verified again before it is served."""
    path = the_store.blobs.path(digest)
    try:
        if time.time() - path.stat().st_mtime > GRACE / 2:
            os.utime(path)
    except FileNotFoundError:
        pass  # collected this moment: the manifest will say so
