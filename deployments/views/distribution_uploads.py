"""Uploads of the registry: begun, continued at any byte, completed, given up; and layers of another project."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import HttpResponse

from deployments.oci.digests import is_digest
from deployments.oci.distribution import Code, Refusal, shown_range
from deployments.oci.distribution_blobs import TakenBlob
from deployments.oci.errors import DiskFull
from deployments.oci.partfile import InUse, PartFile, Vanished, arrived
from deployments.oci.partfile import begin as begin_file
from deployments.services import registry_access, registry_blobs
from deployments.views.distribution_access import VisitorRequest
from deployments.views.distribution_intake import receive, taken, unknown_upload
from deployments.views.distribution_paths import path_of
from ffsweb.accounts.models import Project


async def begin(request: VisitorRequest) -> HttpResponse:
    """POST: a new upload; with ``digest`` the whole blob at once; with ``mount`` none, if it is there already."""
    mount, digest = request.GET.get("mount", ""), request.GET.get("digest", "")
    if mount and await sync_to_async(_mount)(request, mount):
        return _created(request, mount)
    if digest and not is_digest(digest):
        raise Refusal(Code.DIGEST_INVALID, f"{digest[:100]!r} is no SHA-256 digest.")
    upload = secrets.token_hex(16)
    path = _path(request.project, upload)
    try:
        begin_file(path)
    except OSError as error:
        raise DiskFull(f"The dashboard's disk takes nothing: {error.strerror}.") from error
    if not digest:
        return _accepted(request, upload, 0)
    with _opened(path) as part:
        try:
            await receive(request, part)
            return await _complete(request, path, digest)
        finally:
            path.unlink(missing_ok=True)  # who sends it whole sends it whole again


async def append(request: VisitorRequest) -> HttpResponse:
    """PATCH: the next chunk, or all of it in one stream. What comes before a cut is kept."""
    with _upload(request) as (_, part):
        await receive(request, part)
        return _accepted(request, request.address.reference, part.size)


async def complete(request: VisitorRequest) -> HttpResponse:
    """PUT: the last bytes, if any, and the digest of it all."""
    digest = request.GET.get("digest", "")
    if not is_digest(digest):
        raise Refusal(Code.DIGEST_INVALID, f"{digest[:100]!r} is no SHA-256 digest.")
    with _upload(request) as (path, part):
        await receive(request, part)
        return await _complete(request, path, digest)


async def status(request: VisitorRequest) -> HttpResponse:
    """GET: how far it is, for who wants to go on."""
    size = arrived(_path(request.project, request.address.reference))
    if size is None:
        raise unknown_upload()
    return _accepted(request, request.address.reference, size, HTTPStatus.NO_CONTENT)


async def cancel(request: VisitorRequest) -> HttpResponse:
    """DELETE: nothing of it stays."""
    path = _path(request.project, request.address.reference)
    if arrived(path) is None:
        raise unknown_upload()
    path.unlink(missing_ok=True)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


async def _complete(request: VisitorRequest, path: Path, digest: str) -> HttpResponse:
    blob = await taken(path, digest)
    await sync_to_async(_keep)(request.project, blob, path)
    return _created(request, digest)


def _keep(project: Project, blob: TakenBlob, path: Path) -> None:
    registry_blobs.keep(project, blob)
    path.unlink(missing_ok=True)


def _mount(request: VisitorRequest, digest: str) -> bool:
    """Whether the project has the blob now: it had it, or another one has it that this visitor may read."""
    if registry_blobs.find(request.project, digest):
        return True
    source = request.GET.get("from", "")[:300]
    if not source or "\0" in source or not request.visitor.may(source, "pull"):
        return False
    project = Project.objects.get(name=registry_access.project_of(source))
    blob = registry_blobs.find(project, digest)
    if blob is None:
        return False
    registry_blobs.keep(request.project, blob)
    return True


def _path(project: Project, upload: str) -> Path:
    """Where an upload waits; another project's is another file. ``upload`` is hex, see ``parse_address``."""
    return registry_blobs.pushes() / f"{project.pk}-{upload}"


@contextmanager
def _upload(request: VisitorRequest) -> Iterator[tuple[Path, PartFile]]:
    """The upload that the address names, locked. One that is too large is over."""
    path = _path(request.project, request.address.reference)
    with _opened(path) as part:
        try:
            yield path, part
        except Refusal as refusal:
            if refusal.code is Code.SIZE_INVALID:
                path.unlink(missing_ok=True)
            raise


def _opened(path: Path) -> PartFile:
    try:
        return PartFile(path)
    except Vanished as error:
        raise unknown_upload() from error
    except InUse as error:
        raise Refusal(Code.BLOB_UPLOAD_INVALID, str(error), HTTPStatus.CONFLICT) from error


def _accepted(
    request: VisitorRequest, upload: str, size: int, status: HTTPStatus = HTTPStatus.ACCEPTED
) -> HttpResponse:
    fields = {
        "Location": path_of(request, f"blobs/uploads/{upload}"),
        "Docker-Upload-UUID": upload,
        "Range": shown_range(size),
    }
    return HttpResponse(status=status, headers=fields)


def _created(request: VisitorRequest, digest: str) -> HttpResponse:
    fields = {"Location": path_of(request, f"blobs/{digest}"), "Docker-Content-Digest": digest}
    return HttpResponse(status=HTTPStatus.CREATED, headers=fields)
