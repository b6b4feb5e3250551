"""The headers of the tus protocol, read and written."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse

from deployments.models.upload import Upload
from deployments.oci.partfile import InUse, PartFileError, Vanished, WrongOffset
from deployments.services.uploads import UploadRefused

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,expiration"
PART_TYPE = "application/offset+octet-stream"
_DIGITS = 18
"""Of a number of bytes: more is no size of anything, and no integer of a database."""
_METADATA = 4096
_STATUS: tuple[tuple[type[PartFileError], HTTPStatus], ...] = (
    (InUse, HTTPStatus.LOCKED),
    (Vanished, HTTPStatus.GONE),
    (WrongOffset, HTTPStatus.CONFLICT),
    (PartFileError, HTTPStatus.INSUFFICIENT_STORAGE),
)


class BadHeader(Exception):
    """A header is missing or has no meaning; the text says which."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a creation asks for: kind, the file's name, bytes, and when it was changed last (ms since 1970)."""

    what: str
    name: str
    size: int
    modified: int | None


def answered(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses other versions of the protocol, and turns the errors of uploads into its answers."""
    if iscoroutinefunction(view):

        async def later(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return _marked(_wrong_version(request) or await view(request, *args, **kwargs))
            except (BadHeader, UploadRefused, PartFileError) as error:
                return _marked(refusal(error))

        return markcoroutinefunction(functools.wraps(view)(later))

    def now(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return _marked(_wrong_version(request) or view(request, *args, **kwargs))
        except (BadHeader, UploadRefused, PartFileError) as error:
            return _marked(refusal(error))

    return functools.wraps(view)(now)


def _wrong_version(request: HttpRequest) -> HttpResponse | None:
    if request.method == "OPTIONS" or request.headers.get("Tus-Resumable") == VERSION:
        return None
    answer = plain(412, f"This is for tus {VERSION}: send the header Tus-Resumable: {VERSION}.")
    answer["Tus-Version"] = VERSION
    return answer


def _marked(answer: HttpResponse) -> HttpResponse:
    answer["Tus-Resumable"] = VERSION
    return answer


def refusal(error: BadHeader | UploadRefused | PartFileError) -> HttpResponse:
    """The answer for what went wrong, its reason as the body."""
    if isinstance(error, BadHeader):
        return plain(HTTPStatus.BAD_REQUEST, str(error))
    answer = plain(error.status if isinstance(error, UploadRefused) else status_of(error), str(error))
    if isinstance(error, WrongOffset):
        answer["Upload-Offset"] = str(error.actual)
    return answer


def status_of(error: PartFileError) -> int:
    """The HTTP status that says it."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def plain(status: int, text: str) -> HttpResponse:
    """A line for people who use a program."""
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def options(largest: int) -> HttpResponse:
    """What is understood here."""
    headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(largest)}
    return HttpResponse(status=204, headers=headers)


def number(request: HttpRequest, header: str) -> int:
    """A header that is a number of bytes. Raises BadHeader."""
    value = request.headers.get(header, "")
    if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        raise BadHeader(f"{header} has to be a number of bytes.")
    return int(value)


def wanted(request: HttpRequest) -> Wanted:
    """What a creation asks for. Raises BadHeader."""
    metadata = _metadata(request.headers.get("Upload-Metadata", ""))
    what = metadata.get("what", "")
    if what not in Upload.What.values:
        raise BadHeader(f"Upload-Metadata has to say what it is: {' or '.join(Upload.What.values)}, in base64.")
    modified = metadata.get("modified", "")
    known = modified.isascii() and modified.isdigit() and len(modified) <= _DIGITS
    return Wanted(
        what=what,
        name=metadata.get("filename", "") or "archive",
        size=number(request, "Upload-Length"),
        modified=int(modified) if known else None,
    )


def _metadata(header: str) -> dict[str, str]:
    """Pairs of a key and base64 of its value, separated by commas."""
    if len(header) > _METADATA:
        raise BadHeader(f"Upload-Metadata is longer than {_METADATA} characters.")
    found = {}
    for pair in filter(None, header.split(",")):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadHeader(f"Upload-Metadata: the value of {key[:40]!r} is no base64 of UTF-8.") from error
    return found
