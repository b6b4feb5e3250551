"""Answering htmx: which requests want a fragment, and where the whole page should go."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect


def is_partial(request: HttpRequest) -> bool:
    """Whether the answer is put into a page that is there already, so only a fragment is wanted.

    Not so for the restoration of a page from history: that needs the whole of it.
    """
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def template_for(request: HttpRequest, page: str, partial: str) -> str:
    """``page`` or ``page#partial``, as the request wants it."""
    return f"{page}#{partial}" if is_partial(request) else page


def go(request: HttpRequest, to: object, *args: object, **kwargs: object) -> HttpResponse:
    """After a POST: 303 to another page; under htmx the whole page moves. Arguments as of ``redirect``."""
    address = resolve_url(to, *args, **kwargs)  # type: ignore[arg-type]
    if is_partial(request):
        return HttpResponseClientRedirect(address)
    answer = HttpResponseRedirect(address)
    answer.status_code = 303
    return answer
