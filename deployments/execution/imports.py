"""Uploaded archives are taken into the store, as operations with a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from deployments.core.filetransfer import transfer
from deployments.core.filetree_errors import FilesError
from deployments.execution.file_deltas import prepare
from deployments.execution.record import record_images
from deployments.models import FilesVersion
from deployments.models.image_store import store
from deployments.oci.archive import import_images
from deployments.oci.errors import ImageError
from deployments.oci.fileintake import FilesLimits
from deployments.oci.filestore import files_directory, import_files
from deployments.oci.forms_errors import FormStopped
from deployments.oci.limits import ImageLimits
from ffsweb.accounts.models import Project
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from deployments.core.filetree import FileTree
    from deployments.models import Image
    from ffsweb.operations.context import Context

REPORT_EVERY = 2.0
"""Seconds between two lines that tell how far an import is."""


def import_image(context: Context) -> Outcome:
    """Take an image archive into the store; a refused one leaves nothing."""
    upload = _upload(context)
    earlier = _earlier(context, upload)
    if earlier:
        return earlier
    try:
        found = import_images(upload, store(), _image_limits(), on_progress=_reporter(context))
    except ImageError as error:
        return _refused(context, upload, str(error))
    with context.step("record") as step:
        project = Project.objects.get(pk=context.operation.project_id)
        name = str(context.operation.params["name"])
        image = record_images(project, found, context.operation.actor_name, f"archive {name}")
        size = sum({layer.diff_id: layer.size for each in found for layer in each.layers}.values())
        said = (
            f"The image {image} is in the store: {_layers(image)}, {size / 1e6:.1f} MB, "
            f"{', '.join(each.architecture for each in found)}. Make a release of it next."
        )
        step.evidence({"image": image.image_id, "bytes": size, "said": said})
    upload.unlink(missing_ok=True)
    return Outcome(State.SUCCEEDED, said)


def import_project_files(context: Context) -> Outcome:
    """Take an archive of project files in as a new version; a refused one leaves nothing."""
    upload = _upload(context)
    earlier = _earlier(context, upload)
    if earlier:
        return earlier
    try:
        blobs = files_directory(settings.DATA / "files")
        tree = import_files(upload, blobs, _files_limits(), on_progress=_reporter(context))
    except FilesError as error:
        return _refused(context, upload, str(error))
    project_id = context.operation.project_id
    with context.step("record") as step, transaction.atomic():
        Project.objects.select_for_update().get(pk=project_id)
        versions = FilesVersion.objects.filter(project_id=project_id)
        version = versions.filter(digest=tree.digest).first()
        if version is None:
            version = FilesVersion.objects.create(
                project_id=project_id,
                number=(versions.aggregate(last=Max("number"))["last"] or 0) + 1,
                digest=tree.digest,
                manifest=tree.as_json(),
                size=tree.size,
                created_by=context.operation.actor_name,
            )
        said = f"Files {version.number}: {len(tree.entries)} files, {tree.size / 1e6:.1f} MB. Make a release next."
        step.evidence({"version": version.number, "bytes": tree.size, "said": said})
    upload.unlink(missing_ok=True)
    before = versions.filter(number__lt=version.number).first()
    if before is not None:
        _prepare(context, before.tree(), tree)
    return Outcome(State.SUCCEEDED, said)


def _prepare(context: Context, before: FileTree, after: FileTree) -> None:
    """Make the differences that most nodes will need; they can be made later too, so nothing here is a failure."""
    large = len(transfer(before, after).alike)
    if not large:
        return
    context.log(f"Comparing {large} large file{'' if large == 1 else 's'} with the version before.")
    with suppress(FormStopped), context.step("compare") as step:
        step.evidence({"differences": prepare(before, after, context.stop)})


def _layers(image: Image) -> str:
    return f"{len(image.layers)} layer{'' if len(image.layers) == 1 else 's'}"


def _image_limits() -> ImageLimits:
    """What this installation takes: an archive that may be uploaded may unpack to twice as much."""
    limit: int = settings.UPLOAD_LIMIT
    return ImageLimits(archive_bytes=limit, expanded_bytes=max(ImageLimits().expanded_bytes, 2 * limit))


def _files_limits() -> FilesLimits:
    return FilesLimits(archive_bytes=min(FilesLimits().archive_bytes, settings.UPLOAD_LIMIT))


def _upload(context: Context) -> Path:
    # Only the name is in the row: where uploads wait is this process's business.
    path: Path = settings.DATA / "uploads" / Path(str(context.operation.params["upload"])).name
    return path


def _earlier(context: Context, upload: Path) -> Outcome | None:
    """The end of an import that a killed worker had all but finished, or None: then there is something to read."""
    recorded = context.done("record")
    if recorded is not None:
        upload.unlink(missing_ok=True)
        return Outcome(State.SUCCEEDED, str(recorded["said"]))
    if not upload.exists():
        return Outcome(State.FAILED, "The uploaded file is gone from the data directory. Upload it again.")
    context.log(f"Reading {context.operation.params['name']}.")
    return None


def _refused(context: Context, upload: Path, message: str) -> Outcome:
    context.log(message, stream="error")
    upload.unlink(missing_ok=True)
    return Outcome(State.FAILED, message)


def _reporter(context: Context) -> Callable[[int, int | None], None]:
    last = [time.monotonic()]

    def report(done: int, total: int | None) -> None:
        context.checkpoint()
        if total and time.monotonic() - last[0] >= REPORT_EVERY:
            last[0] = time.monotonic()
            context.log(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB read.")

    return report
