"""Bodies of requests: a large one is taken only from who may upload, and written to the data disk alone.

Django's own handler writes every body to the system's temporary directory, whoever sends it and however large it is,
before it looks at the request. Here it is asked first: anybody may send ``SMALL`` bytes, enough for every form; more
is for views that take uploads (``ffsweb.web.uploads``), and for people whose role admits them there. A body that is
refused is not kept; ``Refusals`` answers with the reason, and the rest of what is sent is thrown away as it comes.

A view that reads its body itself (``stream_view``) is called before anything of it was read.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from http import HTTPStatus
from importlib import import_module
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections
from django.http import Http404, HttpRequest
from django.urls import ResolverMatch, resolve

from ffsweb.accounts.access import Kind, declared
from ffsweb.accounts.models import Project, User
from ffsweb.incoming import Incoming, Message
from ffsweb.web.both_ways import BothWays
from ffsweb.web.errors import refused
from ffsweb.web.measures import size_in_words
from ffsweb.web.uploads import STREAM, streams_body, takes_uploads

SMALL = 5_000_000
"""Bytes that anybody may send; Django itself takes half of it in fields that are no files."""
ENVELOPE = 1_000_000
"""Bytes by which the body of an upload may be larger than its file."""
COPIES = 3
"""Of an upload, at its peak: the body, the file in it, and what the worker makes of it in the store."""
KEEP_FREE = 512 * 1024 * 1024
"""Bytes that stay free for the database, whatever is uploaded."""

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

REFUSAL = "ffsweb.refusal"


class Refusal(Exception):
    """The body is not taken; the text says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Application(ASGIHandler):
    """Django's ASGI application, with bodies as said above."""

    async def handle(self, scope: Message, receive: Any, send: Any) -> None:
        """One request."""
        await super().handle(scope, Incoming(scope, receive), send)

    async def read_body(self, receive: Any) -> IO[bytes]:
        """The body, or an empty one and the reason in the scope. Raises RequestAborted when the client has gone."""
        if _streams(receive.scope):
            receive.streamed = True
            receive.scope[STREAM] = receive
            return io.BytesIO()
        body = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - the handler closes it
            max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, dir=settings.FILE_UPLOAD_TEMP_DIR
        )
        try:
            await self._fill(body, receive)
        except Refusal as refusal:
            receive.given_up = True
            receive.scope[REFUSAL] = refusal
            body.close()
            return io.BytesIO()
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return body

    async def _fill(self, body: Any, incoming: Incoming) -> None:
        size, limit = 0, SMALL
        if incoming.announced > limit:
            limit = await sync_to_async(_asked)(incoming.scope, incoming.announced)
        while True:
            message = await incoming()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            size += len(message.get("body", b""))
            if size > limit:
                limit = await sync_to_async(_asked)(incoming.scope, size)
            try:
                body.write(message.get("body", b""))
            except OSError as error:
                raise Refusal(
                    HTTPStatus.INSUFFICIENT_STORAGE,
                    f"The dashboard's disk took no more: {error.strerror}. Nothing was kept.",
                ) from error
            if not message.get("more_body", False):
                break
        if not incoming.announced and size:
            # Django takes a body whose length was not announced for an empty one.
            incoming.scope["headers"] = [*incoming.scope["headers"], (b"content-length", str(size).encode())]


def _asked(scope: Message, size: int) -> int:
    """``allowance`` outside of any request, so that nobody else closes its connection to the database."""
    try:
        return allowance(scope, size)
    finally:
        close_old_connections()


def allowance(scope: Message, size: int) -> int:
    """How many bytes may come, when ``size`` are to come or have come. Raises Refusal. Four queries."""
    limit = settings.UPLOAD_LIMIT + ENVELOPE if _may_upload(scope) else SMALL
    if size > limit:
        shown = size_in_words(settings.UPLOAD_LIMIT if limit > SMALL else SMALL)
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"This was too large: at most {shown} are taken here. Nothing was kept.",
        )
    if shutil.disk_usage(settings.DATA).free < COPIES * size + KEEP_FREE:
        raise Refusal(
            HTTPStatus.INSUFFICIENT_STORAGE,
            f"The dashboard's disk has not enough room: an upload of {size_in_words(size)} needs {COPIES} times as "
            "much for a while. Nothing was kept.",
        )
    return limit


def _match(request: HttpRequest) -> ResolverMatch | None:
    try:
        return resolve(request.path_info)
    except Http404:
        return None


def _streams(scope: Message) -> bool:
    """Whether the view reads the body itself. No queries."""
    if scope["method"] not in WITH_BODY:
        return False
    try:
        match = _match(ASGIRequest(scope, io.BytesIO()))
    except UnicodeDecodeError:  # the handler answers with 400
        return False
    return match is not None and streams_body(match.func)


def _may_upload(scope: Message) -> bool:
    """Whether the view takes uploads and the person's role admits them. What the view does itself, it does again."""
    request = ASGIRequest(scope, io.BytesIO())
    match = _match(request)
    if match is None or not takes_uploads(match.func):
        return False
    access = declared(match.func)
    if access is None or access.kind is not Kind.PROJECT:
        return False
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    name = str(match.kwargs.get("project", ""))
    project = None if "\0" in name else Project.objects.filter(name=name).first()
    if project is None or not isinstance(user, User):
        return False
    held, needed = project.role_of(user), access.role_for("POST")
    return held is not None and needed is not None and held.includes(needed)


class Refusals(BothWays):
    """The middleware that answers for a body that was refused."""

    def now(self, request: HttpRequest) -> Any:
        """The refusal, or what follows."""
        refusal = getattr(request, "scope", {}).get(REFUSAL)
        return refused(request, refusal.status, str(refusal)) if refusal else self.get_response(request)

    async def later(self, request: HttpRequest) -> Any:
        """The same, asynchronously."""
        refusal = getattr(request, "scope", {}).get(REFUSAL)
        if refusal:
            return await sync_to_async(refused)(request, refusal.status, str(refusal))
        return await self.get_response(request)
