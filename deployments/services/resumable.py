"""Uploads that come in parts: begun, gone on with, ended once, or thrown away.

Bytes go straight into the file that the worker reads; its size alone says how far an upload is. The row says whose it
is and how it ended, and changes by compare-and-swap, so that whatever is repeated has an effect once.
"""

from __future__ import annotations

import shutil
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from deployments.models.upload import KEPT, Upload, uploads_directory
from deployments.oci import partfile
from deployments.oci.fileintake import FilesLimits
from deployments.oci.partfile import PartFile, Vanished
from deployments.oci.running_sums import RunningSums
from deployments.services.requests import request_import
from deployments.services.uploads import KEEP_FREE, UploadRefused
from ffsweb.audit.services import record
from ffsweb.web.measures import size_in_words

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

SUMS = RunningSums()
"""Of the uploads that come in through this process."""
AT_ONCE = 20
"""Unfinished uploads that one person may have in one project."""
COPIES = 2
"""Of an upload, at its peak: the file, and what the worker makes of it in the store."""
CHECK_SECONDS = 5.0
"""How long ``finish`` reads in one call."""
NOT_KEPT = "Nothing was kept."


def limit_of(what: str) -> int:
    """The largest upload of this kind, in bytes."""
    largest: int = settings.UPLOAD_LIMIT
    return min(largest, FilesLimits().archive_bytes) if what == Upload.What.FILES else largest


def begin(*, project: Project, owner: User, what: str, name: str, size: int, modified: int | None = None) -> Upload:
    """An empty upload of ``size`` bytes. Raises UploadRefused; then nothing is kept. Four queries."""
    if size <= 0:
        raise UploadRefused(f"The file is empty. {NOT_KEPT}")
    if size > limit_of(what):
        raise UploadRefused(
            f"The file has {size_in_words(size)}; at most {size_in_words(limit_of(what))} are taken. {NOT_KEPT}",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    if Upload.objects.unfinished().filter(project=project, owner=owner).count() >= AT_ONCE:
        raise UploadRefused(
            f"You have {AT_ONCE} unfinished uploads here. Finish or discard one of them first. {NOT_KEPT}",
            HTTPStatus.CONFLICT,
        )
    upload = Upload(project=project, owner=owner, what=what, name=name, size=size, modified=modified)
    try:
        partfile.begin(upload.path)
        _check_room(size)
        upload.save()
    except OSError as error:
        upload.path.unlink(missing_ok=True)
        raise UploadRefused(
            f"The upload could not be begun: {error.strerror}. {NOT_KEPT}", HTTPStatus.INSUFFICIENT_STORAGE
        ) from error
    except BaseException:
        upload.path.unlink(missing_ok=True)
        raise
    return upload


def _check_room(size: int) -> None:
    """What this one needs, beside what the unfinished ones may still need."""
    promised = sum(COPIES * one.size - one.received for one in Upload.objects.unfinished())
    free = shutil.disk_usage(uploads_directory()).free - KEEP_FREE - promised
    if free < COPIES * size:
        raise UploadRefused(
            f"The dashboard's disk has room for {size_in_words(max(free, 0))} more, and this upload needs "
            f"{size_in_words(COPIES * size)}: the file, and as much again to take it in. {NOT_KEPT}",
            HTTPStatus.INSUFFICIENT_STORAGE,
        )


def prolong(upload: Upload) -> None:
    """It was worked on: it is kept for another KEPT. One query."""
    upload.expires_at = timezone.now() + KEPT
    Upload.objects.unfinished().filter(pk=upload.pk).update(expires_at=upload.expires_at)


def discard(upload: Upload, *, actor: User, request: HttpRequest | None = None) -> bool:
    """Throw an unfinished upload away, even while somebody sends to it; whether it was there to be thrown away."""
    with transaction.atomic():
        gone, _ = Upload.objects.unfinished().filter(pk=upload.pk).delete()
        if not gone:
            return False
        record(actor=actor, action="upload.discard", project=upload.project, target=str(upload), request=request)
    upload.path.unlink(missing_ok=True)
    SUMS.forget(upload.key)
    return True


def finish(upload: Upload, *, sha256: str, actor: User, request: HttpRequest | None = None) -> Operation | int:
    """Compare the sum and hand the file to the worker, once: a repeated call gives the same operation.

    An int is the number of bytes that were compared within CHECK_SECONDS: call again. Raises UploadRefused (wrong
    sum: then the file is gone; or not all of it is here), and PartFileError.
    """
    ended = _ended(upload)
    if ended is not None:
        return ended
    operation = None
    try:
        with PartFile(upload.path) as part:
            if part.size != upload.size:
                raise UploadRefused(
                    f"{size_in_words(part.size)} of {size_in_words(upload.size)} are here. Send the rest first.",
                    HTTPStatus.CONFLICT,
                )
            done, actual = SUMS.advance(upload.key, part, CHECK_SECONDS)
            if not actual:
                return done
            part.sync()
            if actual == sha256:
                operation = _take(upload, actor=actor, request=request)
            else:
                _refuse(upload, claimed=sha256, actual=actual, actor=actor, request=request)
    except Vanished:
        pass  # the worker may have taken it in since the row was read, after another call
    SUMS.forget(upload.key)
    if operation is not None:
        return operation
    now = Upload.objects.select_related("operation").filter(pk=upload.pk).first()
    ended = _ended(now) if now else None
    if ended is None:
        raise Vanished
    return ended


def _ended(upload: Upload) -> Operation | None:
    """The operation of one that was taken. Raises UploadRefused for one that was refused."""
    if upload.state == Upload.State.REFUSED:
        raise UploadRefused(upload.reason)
    return upload.operation if upload.state == Upload.State.TAKEN else None


def _refuse(upload: Upload, *, claimed: str, actual: str, actor: User, request: HttpRequest | None) -> None:
    """Remove it and raise UploadRefused; nothing if it has ended otherwise meanwhile."""
    reason = (
        "The file arrived with other bytes than it was sent with, and was removed. Upload it again, and leave it as "
        f"it is meanwhile. Its SHA-256 is {actual}; {claimed} was announced."
    )
    with transaction.atomic():
        changed = Upload.objects.unfinished().filter(pk=upload.pk).update(state=Upload.State.REFUSED, reason=reason)
        if changed:
            detail = {"announced": claimed, "arrived": actual}
            record(
                actor=actor,
                action="upload.refuse",
                project=upload.project,
                target=str(upload),
                detail=detail,
                request=request,
            )
    if changed:
        upload.path.unlink(missing_ok=True)
        SUMS.forget(upload.key)
        raise UploadRefused(reason)


def _take(upload: Upload, *, actor: User, request: HttpRequest | None) -> Operation | None:
    """The new operation; None if somebody else's call was first."""
    with transaction.atomic():
        if Upload.objects.unfinished().filter(pk=upload.pk).update(state=Upload.State.TAKEN) != 1:
            return None
        operation = request_import(
            project=upload.project,
            what=upload.what,
            upload=upload.path,
            name=str(upload),
            actor=actor,
            request=request,
        )
        Upload.objects.filter(pk=upload.pk).update(operation=operation)
    return operation
