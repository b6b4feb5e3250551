"""A browser that notices what it changed: whatever writes a row has to leave an audit event as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import Resolver404, resolve

from ffsweb.audit.models import AuditEvent

WRITE = re.compile(r'\s*(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) "?(\w+)"?', re.IGNORECASE)
SAVEPOINT = re.compile(r'(ROLLBACK TO )?SAVEPOINT "?(\w+)"?')

OWN = re.compile(r"django_session|usersessions_\w+|audit_\w+")
"""Tables that are no action of their own: who is logged in, and the log itself."""

EXEMPT = {
    "uploads": "an upload that begins; what it becomes is in the log",
    "upload": "the parts of an upload",
    "api_uploads": "the same by a program",
    "api_upload": "the same by a program",
    "api_make_plan": "the same by a program",
    "plan_make": "a plan changes nothing; the deploy that follows it is in the log",
}
"""Addresses whose writes are no action on the fleet, and why."""


class AuditedClient(Client):
    """As Django's client; raises AssertionError when a request wrote rows and left no audit event."""

    def request(self, **request: Any) -> Any:
        """Send one request."""
        if request.get("REQUEST_METHOD") in {"GET", "HEAD", "OPTIONS"}:
            return super().request(**request)
        written: list[str] = []
        marks: dict[str, int] = {}

        def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            done = execute(sql, params, many, context)
            match, point = WRITE.match(sql), SAVEPOINT.match(sql)
            if point and point[1]:
                del written[marks[point[2]] :]
            elif point:
                marks[point[2]] = len(written)
            elif match and _changed(sql, context["cursor"].rowcount) and not OWN.fullmatch(match[1]):
                written.append(match[1])
            return done

        before = AuditEvent.objects.count()
        with connection.execute_wrapper(look):
            answer = super().request(**request)
        if written and answer.status_code < 400 and _name(request["PATH_INFO"]) not in EXEMPT:
            told = AuditEvent.objects.count() - before
            assert told, (
                f"{request['REQUEST_METHOD']} {request['PATH_INFO']} wrote {sorted(set(written))}, and no event"
            )
        return answer


def _name(path: str) -> str:
    try:
        return resolve(path).url_name or ""
    except Resolver404:
        return ""


def _changed(sql: str, count: int) -> bool:
    """SQLite does not count the rows of an INSERT that returns its keys."""
    return bool(count) or sql.lstrip()[:6].upper() == "INSERT"
