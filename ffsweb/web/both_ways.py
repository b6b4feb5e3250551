"""What every middleware of ours is: it stands in synchronous and in asynchronous requests alike."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest


class BothWays:
    """Passes requests on. Whoever does more overrides ``now`` and ``later``, or has Django's hooks such as
    ``process_view`` (Django, "Asynchronous support" of middleware)."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.later(request) if self._async else self.now(request)

    def now(self, request: HttpRequest) -> Any:
        """The answer."""
        return self.get_response(request)

    async def later(self, request: HttpRequest) -> Any:
        """The same, asynchronously."""
        return await self.get_response(request)
