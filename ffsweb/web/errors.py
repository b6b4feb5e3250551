"""The pages for what went wrong. A fragment's request gets a fragment."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from .htmx import is_partial
from .problems import Problem, wants_problem


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400, without what the middleware adds: a wrong host is noticed before any of it ran."""
    if wants_problem(request):
        return Problem(400, "This request makes no sense here, or its Host is none of this dashboard's.").response()
    return HttpResponse(render_to_string("errors/400.html"), status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403, with the reason that the view gave."""
    return _page(request, 403, str(exception or ""))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404; the reason only if a view gave one (the resolver's lists every address)."""
    reason = exception.args[0] if exception and exception.args and isinstance(exception.args[0], str) else ""
    if reason.endswith("matches the given query."):  # Django's own words, for programmers
        reason = ""
    return _page(request, 404, reason)


def refused(request: HttpRequest, status: int, reason: str) -> HttpResponse:
    """413 or 507: what was sent was not taken."""
    return _page(request, status, reason, template="errors/413.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """500, without the database: it may be what is broken."""
    if wants_problem(request):
        return Problem(500, "The dashboard made a mistake; its log says which. Look what was done first.").response()
    return HttpResponse(render_to_string("errors/500.html"), status=500)


def _page(request: HttpRequest, status: int, reason: str, template: str = "") -> HttpResponse:
    if wants_problem(request):
        return Problem(status, reason or "There is nothing at this address.").response()
    template = "errors/fragment.html" if is_partial(request) else template or f"errors/{status}.html"
    return render(request, template, {"reason": reason, "status": status}, status=status)
