"""Views that take more than a form say so; every other one gets the body of a form at most (``ffsweb.intake``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])

PIECE = 256 * 1024
"""Bytes of a body that are read at once where it was kept before the view is called."""
PATIENCE = 60.0
"""Seconds without a byte after which a body is given up; what waits for it (a lock, above all) is free again."""
STREAM = "ffsweb.stream"
"""The key in an ASGI scope under which ``ffsweb.intake`` leaves the body that the view reads itself."""


class BodyCut(Exception):
    """The client went away, or said nothing for PATIENCE seconds, before its body was whole."""


class Stream(Protocol):
    """A body on its way in."""

    async def next_piece(self) -> bytes | None:
        """What came next; None at the end. Raises BodyCut."""
        ...


def upload_view(view: View) -> View:
    """Lets those whom the view admits send it files up to FFSWEB_UPLOAD_LIMIT. The outermost decorator."""
    view.takes_uploads = True  # type: ignore[attr-defined]
    return view


def takes_uploads(view: Callable[..., Any]) -> bool:
    """Whether ``upload_view`` decorates it."""
    return getattr(view, "takes_uploads", False) is True


def stream_view(view: View) -> View:
    """Gives an asynchronous view the body as it comes (``body_of``): nothing is read or kept before it asks.

    So whoever may not send is refused by access, CSRF and the view before a byte is kept. For POST, PUT and PATCH.
    The view has to bound what it reads, and ``request.body`` and ``request.POST`` are empty. The outermost decorator.
    """
    view.streams_body = True  # type: ignore[attr-defined]
    return view


def streams_body(view: Callable[..., Any]) -> bool:
    """Whether ``stream_view`` decorates it."""
    return getattr(view, "streams_body", False) is True


def announced_length(request: HttpRequest) -> int | None:
    """The body's length in bytes as the client announces it; None if it does not (chunked) or it is no number."""
    value = request.headers.get("Content-Length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


async def body_of(request: HttpRequest) -> AsyncIterator[bytes]:
    """The body, piece by piece as it comes, in memory one piece at a time. Raises BodyCut."""
    stream: Stream | None = getattr(request, "scope", {}).get(STREAM)
    if stream is None:  # under a server that hands whole bodies over
        while piece := request.read(PIECE):
            yield piece
        return
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                received = await stream.next_piece()
        except TimeoutError as error:
            raise BodyCut from error
        if received is None:
            return
        yield received
