"""Requests that are sent again because nobody knows whether they arrived: done once, answered alike.

The key, what the request does and its answer are committed together: a crash leaves all of it or nothing. Only what
was done is remembered; a request that was refused may be sent again with the same key.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from ffsweb.web.problems import Problem

from .models import StoredAnswer

HEADER: Final = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

_lock = threading.Lock()
_running: set[tuple[int, str]] = set()
"""What this process is at. The web process is one (see settings); were there others, the unique key decides."""


def once(request: Any, work: Callable[[], HttpResponse]) -> HttpResponse:
    """What ``work`` answers, or what it answered to the same request with the same key before.

    Raises Problem: 422 if the key was used for another request, 409 while that one is still under way.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    if not _KEY.fullmatch(key):
        raise Problem(422, f"{HEADER} has to be 1 to 200 visible ASCII characters. Nothing was done.")
    user = request.caller.user
    with _alone(user.pk, key), transaction.atomic():
        StoredAnswer.objects.forget_old()
        digest = _digest(request)
        row, new = StoredAnswer.objects.get_or_create(user=user, key=key, defaults={"request_hash": digest})
        if not new:
            return _again(row, digest)
        answer = work()
        if answer.status_code < 300:
            row.status, row.body = answer.status_code, answer.content.decode()
            row.save(update_fields=["status", "body"])
        else:
            row.delete()
        return answer


@contextmanager
def _alone(user_id: int, key: str) -> Iterator[None]:
    with _lock:
        if (user_id, key) in _running:
            raise Problem(409, f"A request with this {HEADER} is under way. Ask again when it has been answered.")
        _running.add((user_id, key))
    try:
        yield
    finally:
        with _lock:
            _running.discard((user_id, key))


def _again(row: StoredAnswer, digest: str) -> HttpResponse:
    if row.request_hash != digest:
        raise Problem(422, f"This {HEADER} came with another request before. Nothing was done: use a new one.")
    return HttpResponse(
        row.body,
        status=row.status,
        content_type="application/json; charset=utf-8",
        headers={"Idempotent-Replayed": "true"},
    )


def _digest(request: HttpRequest) -> str:
    found = hashlib.sha256()
    for part in (request.method or "", request.get_full_path()):
        found.update(part.encode("utf-8", "replace") + b"\0")
    found.update(request.body)
    return found.hexdigest()
