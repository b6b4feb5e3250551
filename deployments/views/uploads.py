"""Uploads in parts: the tus protocol 1.0 (https://tus.io/protocols/resumable-upload, creation, termination,
expiration), and what it leaves open: the sum at the end.

An upload is its owner's alone; to everybody else there is no such address.
"""

from __future__ import annotations

import re

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.http import require_POST

from deployments.models.upload import Upload
from deployments.oci.partfile import PartFileError, Vanished
from deployments.services import resumable
from deployments.services.parts import Part
from deployments.services.uploads import UploadRefused
from deployments.views import tus
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go
from ffsweb.web.uploads import BodyCut, announced_length, body_of, stream_view

_SUM = re.compile(r"[0-9a-f]{64}")


@project_view(Role.OPERATOR)
@tus.answered
def create(request: ProjectRequest, project: str) -> HttpResponse:
    """POST begins an upload; OPTIONS tells what is understood."""
    return begin(request, page="deployments:upload")


def begin(request: ProjectRequest, *, page: str) -> HttpResponse:
    """The same, whoever was let in; ``page`` is the name of an upload's address."""
    if request.method == "OPTIONS":
        return tus.options(resumable.limit_of(Upload.What.IMAGE))
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST", "OPTIONS"])
    wanted = tus.wanted(request)
    upload = resumable.begin(
        project=request.project,
        owner=request.user,
        what=wanted.what,
        name=wanted.name,
        size=wanted.size,
        modified=wanted.modified,
    )
    address = reverse(page, args=[request.project.name, upload.key])
    return HttpResponse(status=201, headers={"Location": address, **_state(upload)})


@stream_view
@project_view(Role.OPERATOR)
@tus.answered
async def one(request: ProjectRequest, project: str, upload: str) -> HttpResponse:
    """HEAD tells how far an upload is, PATCH goes on with it, DELETE throws it away."""
    return await go_on(request, upload)


async def go_on(request: ProjectRequest, upload: str) -> HttpResponse:
    """The same, whoever was let in."""
    if request.method == "OPTIONS":
        return tus.options(resumable.limit_of(Upload.What.IMAGE))
    found = await sync_to_async(own)(request, upload)
    if request.method == "HEAD":
        return await sync_to_async(_told)(found)
    if request.method == "PATCH":
        return await _take_part(request, found)
    if request.method == "DELETE":
        if not await sync_to_async(resumable.discard)(found, actor=request.user, request=request):
            raise Vanished
        return HttpResponse(status=204)
    return HttpResponseNotAllowed(["HEAD", "PATCH", "DELETE", "OPTIONS"])


@project_view(Role.OPERATOR)
@require_POST
def finish(request: ProjectRequest, project: str, upload: str) -> HttpResponse:
    """The whole file was sent; ``sha256`` is its sum. May be repeated. 202: the file is still being compared."""
    found = own(request, upload)
    claimed = request.POST.get("sha256", "").strip().lower()
    if not _SUM.fullmatch(claimed):
        return JsonResponse({"error": "sha256 has to be the SHA-256 of the file: 64 hex digits."}, status=400)
    try:
        ended = resumable.finish(found, sha256=claimed, actor=request.user, request=request)
    except UploadRefused as error:
        return JsonResponse({"error": str(error)}, status=error.status)
    except PartFileError as error:
        return JsonResponse({"error": str(error)}, status=tus.status_of(error))
    if isinstance(ended, int):
        return JsonResponse({"checked": ended, "size": found.size}, status=202)
    return JsonResponse({"operation": ended.pk, "address": reverse("operations:detail", args=[ended.pk])})


@project_view(Role.OPERATOR)
@require_POST
def discard(request: ProjectRequest, project: str, upload: str) -> HttpResponse:
    """The button beside an unfinished upload."""
    found = own(request, upload)
    if resumable.discard(found, actor=request.user, request=request):
        messages.success(request, f"The unfinished upload of {found} was discarded.")
    else:
        messages.error(request, f"The upload of {found} had ended already.")
    page = "deployments:images" if found.what == Upload.What.IMAGE else "deployments:files"
    return go(request, page, project=project)


def own(request: ProjectRequest, key: str) -> Upload:
    """The upload of this key, if the person began it in this project; else Http404. One query."""
    rows = Upload.objects.select_related("project", "operation")
    return get_object_or_404(rows, key=key, project=request.project, owner=request.user)


def _state(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.received),
        "Upload-Length": str(upload.size),
        "Upload-Expires": http_date(upload.expires_at.timestamp()),
    }


def _told(upload: Upload) -> HttpResponse:
    if upload.state != Upload.State.OPEN or not upload.path.exists():
        raise Vanished
    return HttpResponse(status=200, headers={"Cache-Control": "no-store", **_state(upload)})


async def _take_part(request: ProjectRequest, upload: Upload) -> HttpResponse:
    if request.content_type != tus.PART_TYPE:
        return tus.plain(415, f"A part has the content type {tus.PART_TYPE}.")
    offset = tus.number(request, "Upload-Offset")
    part = await sync_to_async(Part)(upload, offset, announced_length(request))
    try:
        await part.take(body_of(request))
    except BodyCut:
        return tus.plain(400, "The body was cut. What arrived is kept; ask for the offset and go on.")
    finally:
        try:
            if part.offset > offset:
                await sync_to_async(part.prolong)()
        finally:
            part.close()
    return HttpResponse(status=204, headers=_state(upload))
