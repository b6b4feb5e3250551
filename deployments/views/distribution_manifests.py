"""Manifests and tags of the registry."""

from __future__ import annotations

import json
from http import HTTPStatus

from asgiref.sync import sync_to_async
from django.http import HttpResponse

from deployments.oci.digests import is_digest
from deployments.oci.distribution import Code, Refusal
from deployments.oci.documents import DOCUMENT_LIMIT
from deployments.services import registry_manifests
from deployments.services.registry_manifests import Pushed
from deployments.views.distribution_access import VisitorRequest
from deployments.views.distribution_paths import path_of
from ffsweb.web.uploads import BodyCut, body_of

PAGE = 1000
"""Tags that one answer lists at most."""


async def write(request: VisitorRequest) -> HttpResponse:
    """PUT: the last thing that is pushed of an image."""
    body = await _document(request)
    pushed = Pushed(
        project=request.project,
        repository=request.address.name,
        reference=request.address.reference,
        actor=request.visitor.admitted.token.user,
        actor_name=request.visitor.named,
        token=request.visitor.admitted.token,
        request=request,
    )
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    digest = await sync_to_async(registry_manifests.take)(pushed, body, content_type)
    location = path_of(request, f"manifests/{request.address.reference}")
    return HttpResponse(status=HTTPStatus.CREATED, headers={"Location": location, "Docker-Content-Digest": digest})


async def read(request: VisitorRequest) -> HttpResponse:
    """GET and HEAD, by tag or by digest."""
    answer: HttpResponse = await sync_to_async(_read)(request)
    return answer


async def tags(request: VisitorRequest) -> HttpResponse:
    """GET: the tags of the repository, in order, ``n`` from the one after ``last`` on."""
    answer: HttpResponse = await sync_to_async(_tags)(request)
    return answer


def _read(request: VisitorRequest) -> HttpResponse:
    reference = request.address.reference
    found = registry_manifests.find(request.project, request.address.name, reference)
    if found is None:
        kept = registry_manifests.kept_in_place_of(request.project, reference) if is_digest(reference) else ""
        raise Refusal(
            Code.MANIFEST_UNKNOWN,
            f"This manifest is kept in another form: ask for {kept}, or for its tag."
            if kept
            else f"There is no image {reference[:140]!r} here.",
        )
    fields = {"Docker-Content-Digest": found.digest, "Content-Length": str(len(found.body))}
    return HttpResponse(
        b"" if request.method == "HEAD" else found.body, content_type=found.media_type, headers=fields
    )


def _tags(request: VisitorRequest) -> HttpResponse:
    asked = request.GET.get("n", "")
    count = min(int(asked), PAGE) if asked.isascii() and asked.isdigit() and len(asked) < 10 else PAGE
    last = request.GET.get("last", "").replace("\0", "")
    rows = request.project.registry_tags.filter(repository=request.address.name)
    if not rows.exists():
        raise Refusal(Code.NAME_UNKNOWN, "Nothing was pushed under this name.")
    names = list(rows.filter(name__gt=last).order_by("name").values_list("name", flat=True)[: count + 1])
    shown = names[:count]
    repository = "/".join(filter(None, (request.project.name, request.address.name)))
    answer = HttpResponse(json.dumps({"name": repository, "tags": shown}), content_type="application/json")
    if len(names) > count and shown:
        answer["Link"] = f'<{path_of(request, "tags/list")}?n={count}&last={shown[-1]}>; rel="next"'
    return answer


async def _document(request: VisitorRequest) -> bytes:
    body = bytearray()
    try:
        async for piece in body_of(request):
            body += piece
            if len(body) > DOCUMENT_LIMIT:
                raise Refusal(
                    Code.MANIFEST_INVALID,
                    "The manifest has more than 4 MiB of JSON.",
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
    except BodyCut as error:
        raise Refusal(Code.MANIFEST_INVALID, "The manifest was cut off.") from error
    return bytes(body)
