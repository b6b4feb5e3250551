"""``/v2/``: the registry that a build machine pushes images to, and reads them back from (distribution-spec 1.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from deployments.oci.distribution import Code, Kind, Refusal
from deployments.oci.errors import BlobMissing, DiskFull, ImageError
from deployments.services import registry_access
from deployments.views import distribution_blobs, distribution_manifests, distribution_uploads
from deployments.views.distribution_access import (
    VERSION,
    VisitorRequest,
    admit_anywhere,
    admit_by_login,
    admit_to_repository,
    refused,
)
from ffsweb.accounts.access import token_view
from ffsweb.web.uploads import stream_view

Handler = Callable[[VisitorRequest], Awaitable[HttpResponseBase]]

HANDLERS: dict[tuple[Kind, str], Handler] = {
    (Kind.MANIFEST, "GET"): distribution_manifests.read,
    (Kind.MANIFEST, "HEAD"): distribution_manifests.read,
    (Kind.MANIFEST, "PUT"): distribution_manifests.write,
    (Kind.TAGS, "GET"): distribution_manifests.tags,
    (Kind.BLOB, "GET"): distribution_blobs.read,
    (Kind.BLOB, "HEAD"): distribution_blobs.read,
    (Kind.UPLOADS, "POST"): distribution_uploads.begin,
    (Kind.UPLOAD, "GET"): distribution_uploads.status,
    (Kind.UPLOAD, "PATCH"): distribution_uploads.append,
    (Kind.UPLOAD, "PUT"): distribution_uploads.complete,
    (Kind.UPLOAD, "DELETE"): distribution_uploads.cancel,
}


@csrf_exempt
@token_view(admit_anywhere)
def ping(request: HttpRequest) -> HttpResponse:
    """Whether this is a registry, and whether the log-in counts."""
    answer = JsonResponse({})
    answer[VERSION[0]] = VERSION[1]
    return answer


@csrf_exempt
@token_view(admit_by_login)
def token(request: VisitorRequest) -> HttpResponse:
    """A pass for what the client asks for, as far as it may have it."""
    if request.method not in ("GET", "HEAD"):
        return refused(request, Refusal(Code.UNSUPPORTED, "Passes are asked for by GET.", fields=(("Allow", "GET"),)))
    asked = registry_access.parse_scopes(request.GET.getlist("scope"))
    made = registry_access.make_pass(request.visitor, asked)
    return JsonResponse(
        {
            "token": made,
            "access_token": made,
            "expires_in": registry_access.LIFETIME,
            "issued_at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


@csrf_exempt
@stream_view
@token_view(admit_to_repository)
async def repository(request: VisitorRequest, project: str, rest: str) -> HttpResponseBase:
    """Everything within a project's repositories."""
    handler = HANDLERS.get((request.address.kind, request.method or ""))
    try:
        if handler is None:
            raise _unsupported(request)
        answer = await handler(request)
    except Refusal as refusal:
        return await sync_to_async(refused)(request, refusal)
    except ImageError as error:
        return await sync_to_async(refused)(request, _of_the_store(error))
    answer.headers[VERSION[0]] = VERSION[1]
    return answer


def _unsupported(request: VisitorRequest) -> Refusal:
    allowed = ", ".join(method for kind, method in HANDLERS if kind is request.address.kind)
    if not allowed:
        return Refusal(Code.NAME_UNKNOWN, "This is not offered here.")
    return Refusal(Code.UNSUPPORTED, f"{request.method} is not offered here.", fields=(("Allow", allowed),))


def _of_the_store(error: ImageError) -> Refusal:
    """What the disk did is not the client's fault."""
    if isinstance(error, DiskFull):
        return Refusal(Code.BLOB_UPLOAD_INVALID, str(error), HTTPStatus.INSUFFICIENT_STORAGE)
    if isinstance(error, BlobMissing):
        return Refusal(Code.BLOB_UNKNOWN, str(error))
    return Refusal(Code.BLOB_UPLOAD_INVALID, str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
