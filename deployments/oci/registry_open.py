"""What a path asks for, and the file that answers it: verified before the first byte of it leaves."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from .errors import BlobDamaged, BlobMissing
from .http import Refused
from .verified import verify_once

if TYPE_CHECKING:
    from typing import BinaryIO

    from .endpoint import OfferedBlob


def split_path(path: str) -> tuple[str, str, str]:
    """A path ``/v2/NAME/KIND/REFERENCE`` in parts; empty ones for any other."""
    parts = path.rsplit("/", 2)
    if len(parts) != 3 or not parts[0].startswith("/v2/") or parts[1] not in ("manifests", "blobs"):
        return "", "", ""
    return parts[0][4:], parts[1], parts[2]


def opened(blob: OfferedBlob) -> BinaryIO:
    """The blob's file; the first who asks waits until it was read through. Raises Refused if it is damaged."""
    try:
        verify_once(blob.path, blob.digest)
        return blob.path.open("rb", 0)
    except (BlobMissing, FileNotFoundError) as error:
        raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "The blob is gone from the store.") from error
    except BlobDamaged as error:
        raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "BLOB_UNKNOWN", str(error)) from error
