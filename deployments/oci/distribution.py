"""The push side of the OCI distribution-spec 1.1: its addresses, ranges and error codes. Pure.

A repository's name is ``PROJECT`` or ``PROJECT/NAME``; what comes here is what follows ``/v2/PROJECT/``.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from http import HTTPStatus

NAME_LIMIT = 255
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(
    r"(?:(?P<name>.+)/)?(?:(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)|tags/(?P<tags>list))"
)
_UPLOADS = re.compile(r"(?:(?P<name>.+)/)?blobs/uploads(?:/(?P<upload>[^/]*))?")
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


class Code(enum.StrEnum):
    """The spec's error codes ("Error Codes")."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"


_STATUS = {
    Code.BLOB_UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.BLOB_UPLOAD_UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.MANIFEST_BLOB_UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.MANIFEST_UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.NAME_UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.DENIED: HTTPStatus.FORBIDDEN,
    Code.UNSUPPORTED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.TOOMANYREQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
}
"""What they are answered with unless something else is said; the others with 400."""


class Refusal(Exception):
    """The request is refused; the text is for whoever pushes. ``fields`` are further fields of the answer."""

    def __init__(
        self,
        code: Code,
        message: str,
        status: HTTPStatus | None = None,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.fields = code, fields
        self.status = status or _STATUS.get(code, HTTPStatus.BAD_REQUEST)

    def body(self) -> bytes:
        """As the spec has it."""
        return json.dumps({"errors": [{"code": self.code.value, "message": str(self)}]}).encode()


class Kind(enum.Enum):
    """What an address is of."""

    MANIFEST = "manifests"
    BLOB = "blobs"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    TAGS = "tags"
    REFERRERS = "referrers"


@dataclass(frozen=True, slots=True)
class Address:
    """``name``: the repository within the project; ``reference``: a tag, a digest or an upload's id."""

    kind: Kind
    name: str
    reference: str = ""


def parse_address(rest: str) -> Address:
    """What follows ``/v2/PROJECT/``. Raises Refusal. Whether a digest is one is for the caller to see."""
    uploads = _UPLOADS.fullmatch(rest)
    if uploads:
        name, upload = uploads["name"] or "", uploads["upload"] or ""
        _check_name(name)
        if upload and not _UPLOAD.fullmatch(upload):
            raise Refusal(Code.BLOB_UPLOAD_UNKNOWN, "There is no such upload.")
        return Address(Kind.UPLOAD if upload else Kind.UPLOADS, name, upload)
    found = _ADDRESS.fullmatch(rest)
    if not found:
        raise Refusal(Code.NAME_UNKNOWN, "There is nothing at this address.")
    _check_name(found["name"] or "")
    if found["tags"]:
        return Address(Kind.TAGS, found["name"] or "")
    return Address(Kind(found["kind"]), found["name"] or "", found["reference"])


def is_tag(reference: str) -> bool:
    """Whether this may be a tag."""
    return _TAG.fullmatch(reference) is not None


def parse_content_range(text: str) -> tuple[int, int] | None:
    """First and last byte of a chunk (the spec's form, without a unit); None if nothing is said. Raises Refusal."""
    if not text:
        return None
    found = _RANGE.fullmatch(text.removeprefix("bytes ").partition("/")[0])
    if not found or int(found[1]) > int(found[2]):
        raise Refusal(Code.BLOB_UPLOAD_INVALID, "The Content-Range is malformed: it is FIRST-LAST.")
    return int(found[1]), int(found[2])


def shown_range(size: int) -> str:
    """What is there of an upload, as clients read it; of an empty one they expect ``0-0`` as well."""
    return f"0-{max(size - 1, 0)}"


def _check_name(name: str) -> None:
    if name and (len(name) > NAME_LIMIT or not _NAME.fullmatch(name)):
        raise Refusal(Code.NAME_INVALID, f"{name[:100]!r} is no name of a repository.")
