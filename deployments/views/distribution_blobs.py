"""Blobs of the registry: whether one is there, and its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from deployments.models.image_store import store
from deployments.oci.digests import is_digest
from deployments.oci.distribution import Code, Refusal
from deployments.oci.distribution_blobs import TakenBlob
from deployments.oci.errors import BlobDamaged
from deployments.oci.http import Refused, Span, parse_range
from deployments.oci.streams import CHUNK
from deployments.oci.verified import verify_once
from deployments.services import registry_blobs
from deployments.views.distribution_access import VisitorRequest


async def read(request: VisitorRequest) -> HttpResponseBase:
    """GET and HEAD.

    A compressed layer is there (HEAD: it need not be sent again), but only its uncompressed form can be had.
    """
    return await sync_to_async(_answer)(request)


def _answer(request: VisitorRequest) -> HttpResponseBase:
    digest = request.address.reference
    if not is_digest(digest):
        raise Refusal(Code.DIGEST_INVALID, f"{digest[:100]!r} is no SHA-256 digest.")
    blob = registry_blobs.find(request.project, digest)
    if blob is None:
        raise Refusal(Code.BLOB_UNKNOWN, f"{digest} is not here.")
    fields = {"Docker-Content-Digest": digest, "Accept-Ranges": "bytes"}
    if request.method == "HEAD":
        return HttpResponse(
            headers={**fields, "Content-Length": str(blob.size)}, content_type="application/octet-stream"
        )
    if blob.diff_id != digest:
        raise Refusal(Code.BLOB_UNKNOWN, f"This layer is kept uncompressed: ask for {blob.diff_id}.")
    return _content(request, blob, fields)


def _content(request: VisitorRequest, blob: TakenBlob, fields: dict[str, str]) -> HttpResponseBase:
    try:
        span = parse_range(request.headers.get("Range", ""), blob.content_size)
    except Refused as refused:
        raise Refusal(Code.SIZE_INVALID, refused.message, refused.status) from refused
    path = store().blobs.path(blob.diff_id)
    verify_once(path, blob.diff_id)
    shown = span or Span(0, blob.content_size)
    content = _part(path, shown)
    answer = StreamingHttpResponse(content, headers=fields, content_type="application/octet-stream")
    answer.headers["Content-Length"] = str(shown.end - shown.start)
    if span is not None:
        answer.status_code = HTTPStatus.PARTIAL_CONTENT
        answer.headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{blob.content_size}"
    return answer


async def _part(path: Path, span: Span) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb", 0) as file:
        file.seek(span.start)
        left = span.end - span.start
        while left:
            data = await asyncio.to_thread(file.read, min(CHUNK, left))
            if not data:
                raise BlobDamaged("The blob is shorter than it was.")  # the promised length cannot be kept: cut
            left -= len(data)
            yield data
