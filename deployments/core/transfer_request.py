"""The line that ``ffs-node stage-image`` reads first: where the image is, the way, and how its layers come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .transfer_values import DELTA, FETCH, PULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .transfer_values import FormKind


@dataclass(frozen=True, slots=True)
class FetchBlob:
    """A blob that the node fetches: its digest and bytes, and the layer that becomes of it (with ``base``).

    ``rides``: it comes with the request, and nothing is asked for.
    """

    digest: str
    size: int
    form: FormKind
    diff_id: str
    diff_size: int
    base: str = ""
    rides: bool = False

    def as_json(self) -> dict[str, object]:
        """As the node reads it."""
        value: dict[str, object] = {
            "digest": self.digest,
            "size": self.size,
            "form": self.form,
            "diff_id": self.diff_id,
            "diff_size": self.diff_size,
        }
        return value | ({"base": self.base} if self.form == DELTA else {}) | ({"rides": True} if self.rides else {})


@dataclass(frozen=True, slots=True)
class Door:
    """Where the node finds the endpoint: a port of its own, and the token (a secret) in the path."""

    port: int
    token: str


def pull_line(door: Door, *, manifest: str, need: int) -> bytes:
    """The whole request of a pull. ``need``: bytes of disk, all together."""
    return _line({"port": door.port, "token": door.token, "manifest": manifest, "way": PULL, "need": need})


def fetch_line(
    door: Door | None,
    *,
    need: int,
    config: int,
    sizes: Sequence[int],
    docker: bool,
    blobs: Iterable[FetchBlob],
) -> bytes:
    """The first line of the request of a fetch.

    Behind it come the configuration, ``config`` bytes, and the blobs that ride along, in their order; without a
    ``door`` all have to. The node writes the manifest itself, of the configuration, the ``sizes`` of all layers and
    the family (``docker``).
    """
    where: dict[str, object] = {"port": door.port, "token": door.token} if door else {}
    told = [blob.as_json() for blob in blobs]
    what = {"way": FETCH, "need": need, "config": config, "sizes": list(sizes), "docker": docker, "blobs": told}
    return _line(where | what)


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
