"""A program that calls the API with a token, and what it gets."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse

from ffsweb.accounts import tokens
from ffsweb.accounts.models import Project, Role, User

from .audited import AuditedClient

V1 = "/api/v1"


class Program:
    """Calls in the name of ``user``; without one, with no token at all."""

    def __init__(
        self, user: User | None, *, project: Project | None = None, role: Role = Role.ADMIN, text: str = ""
    ) -> None:
        if user is not None:
            text = tokens.make(actor=user, project=project, name="ci", role=role, days=7).text
        self.text = text
        self._client = AuditedClient()
        self._client.raise_request_exception = False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """One request; ``body`` as JSON."""
        if self.text:
            headers["authorization"] = f"Bearer {self.text}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.generic(  # type: ignore[return-value]
            method, f"{V1}{path}", data, content_type="application/json", headers=headers
        )

    def send_part(self, path: str, data: bytes, offset: int) -> HttpResponse:
        """A part of an upload (tus)."""
        headers = {"authorization": f"Bearer {self.text}", "Tus-Resumable": "1.0.0", "Upload-Offset": str(offset)}
        return self._client.generic(  # type: ignore[return-value]
            "PATCH", f"{V1}{path}", data, content_type="application/offset+octet-stream", headers=headers
        )

    def get(self, path: str, status: int = 200) -> Any:
        """What a GET answers, as JSON."""
        return _read(self.ask("GET", path), status)

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """What a POST answers, as JSON."""
        return _read(self.ask("POST", path, {} if body is None else body, **headers), status)


def problem(answer: HttpResponse, status: int) -> Any:
    """The body of a problem, which has to be one of RFC 9457."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert body["status"] == status and body["title"] and body["detail"]
    return body


def _read(answer: HttpResponse, status: int) -> Any:
    assert answer.status_code == status, answer.content
    if status >= 400:
        return problem(answer, status)
    return json.loads(answer.content)
