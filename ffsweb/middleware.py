"""What holds for every request, whatever the view does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from ffsweb.accounts.access import declared
from ffsweb.web.both_ways import BothWays

PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


class DeclaredAccess(BothWays):
    """Refuses a view that does not say who it is for (``ffsweb.accounts.access``): denied by default."""

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


class NoNul(BothWays):
    """Refuses a path with a NUL in it: nobody types one, and PostgreSQL answers it with an error of its own."""

    def process_view(
        self, request: HttpRequest, _view: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> None:
        """Raises before the view is called. What stands in a query is for the views and their forms."""
        if "\0" in request.path_info:
            raise Http404("There is no such page.")


class PrivatePages(BothWays):
    """Pages are kept by no cache, differ for htmx, and ask the browser for no device."""

    def now(self, request: HttpRequest) -> HttpResponseBase:
        """The answer with its headers."""
        return _private(self.get_response(request))

    async def later(self, request: HttpRequest) -> HttpResponseBase:
        """The same, asynchronously."""
        return _private(await self.get_response(request))


def _private(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Cache-Control", "no-store, private")
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    patch_vary_headers(response, ("HX-Request", "Cookie"))
    return response
