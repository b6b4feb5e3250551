"""What went wrong with a request of a program, as RFC 9457 has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

PREFIX: Final = "/api/"
TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An answer that is no success. ``errors``: what is wrong with which part of the body or of the address."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers, self.more = dict(headers or {}), dict(more or {})

    def response(self) -> HttpResponse:
        """It as an answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return HttpResponse(
            json.dumps(body, ensure_ascii=False), status=self.status, content_type=TYPE, headers=self.headers
        )


def wants_problem(request: HttpRequest) -> bool:
    """Whether a program asks, by the address."""
    return request.path_info.startswith(PREFIX)
