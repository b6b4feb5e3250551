"""Uploaded archives wait in the data directory until the worker has taken them in."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from deployments.services.requests import request_import

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation

_KEEP_FREE = 512 * 1024 * 1024
"""Bytes that stay free for the database, whatever is uploaded."""


class UploadRefused(Exception):
    """The upload was not kept; the text says why."""


def take_upload(
    *, project: Project, what: str, upload: UploadedFile[Any], actor: User, request: HttpRequest | None = None
) -> Operation:
    """Keep an uploaded file and ask the worker to take it in; raises UploadRefused. ``what``: image or files."""
    size = upload.size or 0
    if not size:
        raise UploadRefused("The file is empty. Nothing was kept.")
    if size > settings.UPLOAD_LIMIT:
        raise UploadRefused(
            f"The file has {size / 1e9:.1f} GB; at most {settings.UPLOAD_LIMIT / 1e9:.0f} GB are taken. "
            "Nothing was kept."
        )
    directory = settings.DATA / "uploads"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The worker makes a second copy, in the store.
    if shutil.disk_usage(directory).free < 2 * size + _KEEP_FREE:
        raise UploadRefused("The dashboard's disk has not enough room for this file. Nothing was kept.")
    path = directory / secrets.token_hex(16)
    try:
        _keep(upload, path)
        return request_import(
            project=project, what=what, upload=path, name=_shown(upload.name), actor=actor, request=request
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _keep(upload: UploadedFile[Any], path: Path) -> None:
    spooled = getattr(upload, "temporary_file_path", None)
    if spooled:
        # Django wrote it to the same directory already (FILE_UPLOAD_TEMP_DIR): a rename, not a copy. Django's own
        # clean-up of the temporary name finds nothing, which it allows.
        Path(spooled()).rename(path)
        return
    with path.open("xb") as target:
        for chunk in upload.chunks():
            target.write(chunk)


def _shown(name: str | None) -> str:
    return re.sub(r"[^\w.+-]", "_", Path(name or "archive").name)[-120:]
