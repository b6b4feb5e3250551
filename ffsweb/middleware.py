"""What holds for every request, whatever the view does."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.exceptions import BadRequest, ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from ffsweb.accounts.access import declared

GetResponse = Callable[[HttpRequest], Any]

PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


class DeclaredAccess:
    """Refuses a view that does not say who it is for (``ffsweb.accounts.access``): denied by default."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(
        self, _request: HttpRequest, view: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> None:
        """Raises before the view is called."""
        if declared(view) is not None:
            return
        name = f"{view.__module__}.{getattr(view, '__qualname__', view)}"
        if settings.DEBUG:
            raise ImproperlyConfigured(f"{name} carries no decorator of ffsweb.accounts.access.")
        raise PermissionDenied(f"{name} does not say who it is for.")


class NoNul:
    """Refuses an address with a NUL in it: nobody types one, and no query may carry it to the database."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> None:
        """Raises before the view is called: 404 for the path, 400 for the query."""
        if "\0" in request.path_info:
            raise Http404("There is no such page.")
        if any("\0" in text for name, values in request.GET.lists() for text in (name, *values)):
            raise BadRequest("The address holds a NUL.")


class PrivatePages:
    """Pages are kept by no cache, differ for htmx, and ask the browser for no device."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._async:
            return self._later(request)
        return _private(self.get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        return _private(await self.get_response(request))


def _private(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Cache-Control", "no-store, private")
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    patch_vary_headers(response, ("HX-Request", "Cookie"))
    return response
