"""One id for each request, in every log line of it, in its answer, and in the operation that it asks for.

A proxy may name the id (``X-Request-ID``), so that its log and ours can be read together: it counts only from an
address of FFSWEB_TRUSTED_PROXIES, once, and if it is of the form; otherwise anybody could write into our logs, or
have two requests look like one. In all other cases an id is made.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .both_ways import BothWays
from .client import is_of

logger = structlog.get_logger(__name__)

HEADER: Final = "X-Request-ID"
_HEADER: Final = HEADER.lower().encode()
NAME: Final = "request"
"""What log lines call it."""
SCOPE: Final = "ffsweb.request_id"
_FORM: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_QUIET: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Application = Callable[..., Awaitable[None]]


def current() -> str:
    """The id of the request under way, in a worker that of the request that asked for the operation; "" if none."""
    return str(structlog.contextvars.get_contextvars().get(NAME, ""))


class RequestIds:
    """An ASGI application before ``application``: chooses the id as long as the proxy is still known as the peer."""

    def __init__(self, application: Application, trusted: Iterable[str]) -> None:
        self._application = application
        self._trusted = tuple(trusted)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http":
            scope = {**scope, SCOPE: self._named(scope) or new()}
        await self._application(scope, receive, send)

    def _named(self, scope: dict[str, Any]) -> str:
        """What a trusted proxy calls the request; "" if it does not, or not in the form."""
        found = [value for name, value in scope["headers"] if name == _HEADER]
        if len(found) != 1 or not _FORM.fullmatch(found[0]):
            return ""
        client = scope.get("client")
        return found[0].decode("ascii") if is_of(client[0] if client else "", self._trusted) else ""


def behind_proxies(application: Application, trusted: Iterable[str]) -> RequestIds:
    """``application``, to which the addresses of ``trusted`` may say who asked, by which scheme, and the id."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    networks = list(trusted)
    if networks:
        application = ProxyHeadersMiddleware(application, trusted_hosts=networks)  # type: ignore[arg-type]
    return RequestIds(application, networks)


def new() -> str:
    """A fresh id: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class RequestId(BothWays):
    """The outermost middleware: every line that is logged within carries the id, and the answer does.

    A request that may change something, or that failed, is a line of its own: the name of its view and no path, since
    some paths hold what lets somebody in.
    """

    def now(self, request: HttpRequest) -> HttpResponseBase:
        """The answer with its id."""
        name, began = _id_of(request), time.monotonic()
        with structlog.contextvars.bound_contextvars(**{NAME: name}):
            return _told(request, self.get_response(request), name, began)

    async def later(self, request: HttpRequest) -> HttpResponseBase:
        """The same, asynchronously."""
        name, began = _id_of(request), time.monotonic()
        with structlog.contextvars.bound_contextvars(**{NAME: name}):
            return _told(request, await self.get_response(request), name, began)


def _id_of(request: HttpRequest) -> str:
    return str(getattr(request, "scope", {}).get(SCOPE) or new())


def _told(request: HttpRequest, response: HttpResponseBase, name: str, began: float) -> HttpResponseBase:
    response.headers[HEADER] = name
    if request.method not in _QUIET or response.status_code >= 500:
        match = request.resolver_match
        logger.info(
            "request_answered",
            method=request.method,
            view=match.view_name if match else "",
            status=response.status_code,
            seconds=round(time.monotonic() - began, 3),
        )
    return response
