"""The bytes of an upload: from the request to the disk, and from there, verified, into the store."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from django.conf import settings

from deployments.models.image_store import store
from deployments.oci.distribution import Code, Refusal, parse_content_range, shown_range
from deployments.oci.distribution_blobs import TakenBlob, take_blob
from deployments.oci.drafts import RESERVE
from deployments.oci.errors import DiskFull, ImageError, StoreError, WrongDigest
from deployments.oci.partfile import NotWritten, PartFile, Vanished
from deployments.services import registry_blobs
from deployments.views.distribution_access import VisitorRequest
from ffsweb.web.measures import size_in_words
from ffsweb.web.uploads import BodyCut, announced_length, body_of

PIECE = 1024 * 1024
"""Bytes that are written at once: what one upload holds in memory."""
LOOK_EVERY = 64 * PIECE
"""Bytes after which the room on the disk is looked at again."""

_FINISHERS = ThreadPoolExecutor(2, "pushed-layer")
"""Unpacking takes all of a core: two at once leave the pages alive."""


async def receive(request: VisitorRequest, part: PartFile) -> None:
    """Append the body. Raises Refusal; what came before a cut stays."""
    start, expected = _announced(request, part.size)
    pending, size, looked = bytearray(), start, start
    try:
        async for piece in body_of(request):
            pending += piece
            size += len(piece)
            if expected is not None and size - start > expected:
                raise Refusal(Code.SIZE_INVALID, "More was sent than the Content-Range says. Nothing was kept.")
            if size > settings.UPLOAD_LIMIT:
                raise _too_large()
            if len(pending) >= PIECE:
                await _write(part, pending)
            if size - looked >= LOOK_EVERY:
                looked = size
                await asyncio.to_thread(_room, 0)
    except BodyCut as error:
        await _write(part, pending)
        raise Refusal(
            Code.BLOB_UPLOAD_INVALID,
            f"The connection was cut; {part.size} bytes are here. Go on from there.",
            HTTPStatus.REQUEST_TIMEOUT,
        ) from error
    await _write(part, pending)


def _announced(request: VisitorRequest, size: int) -> tuple[int, int | None]:
    """Where the body begins, and how many bytes it says it has. Raises Refusal before any of it was read."""
    length = announced_length(request)
    span = parse_content_range(request.headers.get("Content-Range", ""))
    if span is not None:
        if span[0] != size:
            raise Refusal(
                Code.BLOB_UPLOAD_INVALID,
                f"The chunk begins at byte {span[0]}; {size} bytes are here.",
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                (("Range", shown_range(size)), ("Location", request.path)),
            )
        if length is not None and length != span[1] - span[0] + 1:
            raise Refusal(Code.BLOB_UPLOAD_INVALID, "Content-Range and Content-Length do not agree.")
        length = span[1] - span[0] + 1
    if length is not None and size + length > settings.UPLOAD_LIMIT:
        raise _too_large()
    _room(length or 0)
    return size, length


async def _write(part: PartFile, pending: bytearray) -> None:
    if not pending:
        return
    data = bytes(pending)
    pending.clear()
    try:
        await asyncio.to_thread(part.append, data)
    except Vanished as error:
        raise unknown_upload() from error
    except NotWritten as error:
        raise DiskFull(str(error)) from error


async def taken(path: Path, digest: str) -> TakenBlob:
    """The upload as a blob of the store. Raises Refusal, and then the upload is gone; StoreError, and it is not."""
    return await asyncio.get_running_loop().run_in_executor(_FINISHERS, _take, path, digest)


def _take(path: Path, digest: str) -> TakenBlob:
    try:
        return take_blob(path, digest, store(), registry_blobs.limits())
    except StoreError:
        raise
    except ImageError as error:
        path.unlink(missing_ok=True)
        code = Code.DIGEST_INVALID if isinstance(error, WrongDigest) else Code.BLOB_UPLOAD_INVALID
        raise Refusal(code, f"{error.what} Nothing was kept.") from error
    except FileNotFoundError as error:
        raise unknown_upload() from error


def _room(more: int) -> None:
    if shutil.disk_usage(settings.DATA).free < more + RESERVE:
        raise DiskFull("The dashboard's disk has not enough room for this layer.")


def unknown_upload() -> Refusal:
    """For an upload that is not there (any more)."""
    return Refusal(Code.BLOB_UPLOAD_UNKNOWN, "There is no such upload: it was completed, given up, or is too old.")


def _too_large() -> Refusal:
    return Refusal(
        Code.SIZE_INVALID,
        f"A layer has at most {size_in_words(settings.UPLOAD_LIMIT)} here. Nothing was kept.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )
