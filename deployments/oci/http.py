"""HTTP/1.1 (RFC 9112, 9110) as far as pulling an image needs it: GET and HEAD, keep-alive, byte ranges. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from http import HTTPStatus

HEADER_LIMIT = 64 * 1024
"""Bytes of a request's head. A client of zstd:chunked layers asks for 1024 ranges at once: about 20 kB."""

RANGES_LIMIT = 1024
"""Ranges in one request: what podman asks for at most."""

_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")
_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


class Refused(Exception):
    """The request gets this answer instead of content; ``close`` ends the connection after it."""

    def __init__(self, status: HTTPStatus, code: str, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.close = status, code, message, close

    def body(self) -> bytes:
        """As the distribution-spec has it ("Error Codes")."""
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head; field names in lower case. ``chunked``: the client understands chunked coding (HTTP/1.1)."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    keep_alive: bool
    chunked: bool

    def field(self, name: str) -> str:
        """A field's value, several joined by commas; "" if it was not sent."""
        return ", ".join(value for key, value in self.fields if key == name)

    def accepts_gzip(self) -> bool:
        """Whether the client takes gzip content coding (RFC 9110, 12.5.3)."""
        codings = (each.replace(" ", "").lower() for each in self.field("accept-encoding").split(","))
        return any(each == "gzip" or (each.startswith("gzip;q=") and each[7:].strip("0.") != "") for each in codings)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``end`` (exclusive) of a blob."""

    start: int
    end: int


def parse_request(head: bytes) -> Request:
    """Decode a head without its final empty line. Raises Refused."""
    lines = head.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        raise bad_request("This is not an HTTP/1 request.")
    fields = []
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise bad_request("A header field is malformed.")
        fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
    new = found[3] == b"1"
    request = Request(found[1].decode(), found[2].decode(), tuple(fields), keep_alive=new, chunked=new)
    if request.method not in ("GET", "HEAD"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "This endpoint is read-only.", close=True)
    if request.field("transfer-encoding") or request.field("content-length") not in ("", "0"):
        raise bad_request("A body is not expected.")
    if "close" in request.field("connection").lower().replace(" ", "").split(","):
        return replace(request, keep_alive=False)
    return request


def bad_request(message: str) -> Refused:
    """400, and the connection ends: where the next request begins is not known."""
    return Refused(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", message, close=True)


def parse_range(text: str, size: int) -> Span | None:
    """The one range of a Range field over ``size`` bytes; None for the whole. Raises Refused: 416 beyond the end."""
    if not text:
        return None
    span = _span(text.replace(" ", "").removeprefix("bytes="), size) if text.startswith("bytes=") else None
    if span is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "This is no single range of bytes.")
    if span.start >= span.end:
        raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "RANGE_INVALID", f"The blob has {size} bytes.")
    return span


def parse_ranges(text: str, size: int) -> tuple[Span, ...]:
    """The ranges of a Range field over ``size`` bytes, in their order; none for the whole. Raises Refused.

    Several ranges are all given or answered with 400: podman then falls back to the ordinary request (on 416 it gives
    up, and on 200 it reads everything twice). 400 is for what nobody needs, too: more than ``RANGES_LIMIT``, or
    ranges that together are longer than the blob.
    """
    if "," not in text:
        span = parse_range(text, size)
        return () if span is None else (span,)
    words = text.replace(" ", "").removeprefix("bytes=").split(",") if text.startswith("bytes=") else []
    if not words or len(words) > RANGES_LIMIT:
        raise Refused(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", f"Up to {RANGES_LIMIT} ranges of bytes are served.")
    spans = [_span(word, size) for word in words]
    good = tuple(span for span in spans if span is not None and span.start < span.end)
    if len(good) != len(words) or sum(span.end - span.start for span in good) > size:
        raise Refused(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", f"The blob has {size} bytes; these are no ranges of it.")
    return good


def _span(word: str, size: int) -> Span | None:
    found = _RANGE.fullmatch(word)
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        return Span(int(found[1]), min(int(found[2]) + 1, size) if found[2] else size)
    return Span(max(size - int(found[2]), 0), size)


def response_head(status: HTTPStatus, fields: list[tuple[str, str]]) -> bytes:
    """Status line and fields, ready to be sent."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
