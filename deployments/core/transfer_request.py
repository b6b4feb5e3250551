"""The line that ``ffs-node stage-image`` reads: where the image is, the way, and in which forms its layers come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffsweb.sealed import Secret

from .transfer_values import DELTA, FETCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .transfer_values import FormKind, Way


@dataclass(frozen=True, slots=True)
class FetchBlob:
    """A blob that the node fetches: its digest and bytes, and the layer that becomes of it (with ``base``)."""

    digest: str
    size: int
    form: FormKind
    diff_id: str
    diff_size: int
    base: str = ""

    def as_json(self) -> dict[str, object]:
        """As the node reads it."""
        value: dict[str, object] = {
            "digest": self.digest,
            "size": self.size,
            "form": self.form,
            "diff_id": self.diff_id,
            "diff_size": self.diff_size,
        }
        return value | ({"base": self.base} if self.form == DELTA else {})


def image_request(
    *, port: int, token: str, manifest: str, way: Way, need: int, blobs: Iterable[FetchBlob] = ()
) -> Secret:
    """Standard input of ``stage-image``; the token makes it a secret. ``need``: bytes of disk, all together."""
    value: dict[str, object] = {"port": port, "token": token, "manifest": manifest, "way": way, "need": need}
    if way == FETCH:
        value["blobs"] = [blob.as_json() for blob in blobs]
    return Secret(json.dumps(value, separators=(",", ":")).encode() + b"\n")
