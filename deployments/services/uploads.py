"""Uploaded archives wait in the data directory until the worker has taken them in."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from deployments.models.upload import shown_name, uploads_directory
from deployments.services.requests import request_import
from ffsweb.web.measures import size_in_words

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

KEEP_FREE = 512 * 1024 * 1024
"""Bytes that stay free for the database, whatever is uploaded."""


class UploadRefused(Exception):
    """The upload was not kept, or not taken in; the text says why. ``status``: the HTTP status that says so."""

    def __init__(self, text: str, status: int = 422) -> None:
        super().__init__(text)
        self.status = status


def take_upload(
    *, project: Project, what: str, upload: UploadedFile[Any], actor: User, request: HttpRequest | None = None
) -> Operation:
    """Keep an uploaded file and ask the worker to take it in; raises UploadRefused, and then nothing is kept.

    ``what``: image or files. Nothing is copied if Django wrote the file into the data directory (see settings).
    """
    size = upload.size or 0
    if not size:
        raise UploadRefused("The file is empty. Nothing was kept.")
    if size > settings.UPLOAD_LIMIT:
        raise UploadRefused(
            f"The file has {size_in_words(size)}; at most {size_in_words(settings.UPLOAD_LIMIT)} are taken. "
            "Nothing was kept."
        )
    path = uploads_directory() / secrets.token_hex(16)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep(upload, path)
        # The worker's copy in the store is still to come.
        if shutil.disk_usage(path.parent).free < size + KEEP_FREE:
            raise UploadRefused("The dashboard's disk has not enough room for this file. Nothing was kept.")
        operation = request_import(
            project=project, what=what, upload=path, name=shown_name(upload.name), actor=actor, request=request
        )
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UploadRefused(f"The file could not be kept: {error.strerror}. Nothing was kept.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return operation


def _keep(upload: UploadedFile[Any], path: Path) -> None:
    spooled = getattr(upload, "temporary_file_path", None)
    if spooled:
        # From FILE_UPLOAD_TEMP_DIR, which is on the same disk: a rename. Django's own clean-up of the temporary name
        # finds nothing then, which it allows; its mode is 0600 (tempfile).
        shutil.move(spooled(), path)
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        for chunk in upload.chunks():
            target.write(chunk)
