"""What ``ffs-node stage-image`` gets on its standard input, and what of the image's blobs rides along with it.

A change of one line is a difference of a few hundred bytes: a tunnel, two connections and their heads would be many
times that, and several round trips. So small blobs come with the request, which is packed against the configuration
of an image that the node has: of two versions of an image these hardly differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployments.core.transfer_request import fetch_line, pull_line
from deployments.core.transfer_values import DELTA, FETCH
from deployments.execution.transfer_offer import blobs_of
from deployments.execution.transfer_task import sized
from deployments.models.image_store import store
from deployments.oci.errors import ImageError
from deployments.oci.manifests import DOCKER_MANIFEST
from deployments.oci.parcel import packed
from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from deployments.core.transfer_request import Door, FetchBlob
    from deployments.core.transfer_values import Transfer
    from deployments.models import Image
    from deployments.oci.forms import Form
    from deployments.oci.store import Store

RIDES = 32 * 1024
"""Bytes of all blobs of a push that come with the request: less than what a cut may cost without counting as one that
brought nothing (``transfer_cuts``)."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request that can be written as soon as it is known where the endpoint is, if one is needed at all."""

    transfer: Transfer
    blobs: tuple[FetchBlob, ...] = ()
    riders: tuple[bytes, ...] = ()
    against: str = ""
    """The ID of the image whose configuration, ``known``, the node unpacks it with."""
    known: bytes = b""

    @property
    def alone(self) -> bool:
        """Whether everything rides along, so that the node asks for nothing."""
        return self.transfer.way == FETCH and all(blob.rides for blob in self.blobs)

    def request(self, door: Door | None, manifest: str) -> Secret:
        """Standard input; the token makes it a secret. Raises BlobMissing, BlobDamaged.

        A pull needs a ``door``: ValueError without one.
        """
        if self.transfer.way != FETCH:
            if door is None:
                raise ValueError("a pull needs an endpoint")
            return Secret(pull_line(door, manifest=manifest, need=self.transfer.need))
        return fetch_request(
            store(),
            manifest,
            door,
            need=self.transfer.need,
            blobs=self.blobs,
            riders=self.riders,
            known=self.known,
        )


def fetch_request(
    held: Store,
    manifest: str,
    door: Door | None,
    *,
    need: int,
    blobs: Sequence[FetchBlob],
    riders: Iterable[bytes],
    known: bytes = b"",
) -> Secret:
    """The request of a fetch of an image in ``held``; ``riders`` are the contents of those of ``blobs`` that ride.

    Raises BlobMissing, BlobDamaged.
    """
    stored = held.manifest(manifest)
    config = held.document(stored.config.digest)
    line = fetch_line(
        door,
        need=need,
        config=len(config),
        sizes=[layer.size for layer in stored.layers],
        docker=stored.media_type == DOCKER_MANIFEST,
        blobs=blobs,
    )
    return Secret(packed((line, config, *riders), known))


def parcel_of(transfer: Transfer, found: Mapping[str, Form], others: Sequence[Image]) -> Parcel:
    """``others``: images that the node has, as the differences of ``transfer`` were looked for in them."""
    if transfer.way != FETCH:
        return Parcel(transfer)
    blobs = blobs_of(transfer, found)
    against, known = _against(transfer, others)
    # What the node has of a blob already is worth more than that it comes at once.
    if transfer.kept or sum(blob.size for blob in blobs) > RIDES:
        return Parcel(transfer, tuple(blobs), (), against, known)
    riders = tuple(_path(blob.diff_id, found).read_bytes() for blob in blobs)
    return Parcel(transfer, tuple(replace(blob, rides=True) for blob in blobs), riders, against, known)


def _path(diff_id: str, found: Mapping[str, Form]) -> Path:
    return found[diff_id].path if diff_id in found else store().blobs.path(diff_id)


def _against(transfer: Transfer, others: Iterable[Image]) -> tuple[str, bytes]:
    """An image that the node has to hold anyway, because it makes a layer of one of that image's."""
    bases = {layer.base for layer in transfer.layers if layer.form == DELTA}
    for other in others:
        if bases & {diff_id for diff_id, _ in sized(other)}:
            try:
                return other.image_id, store().document(other.image_id)
            except ImageError:
                continue  # then it is some hundred bytes more
    return "", b""
