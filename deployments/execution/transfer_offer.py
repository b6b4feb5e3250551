"""A plan as a node meets it: the endpoint from which it takes what it lacks, and the list of what it fetches."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.core.transfer_choice import FAST
from deployments.core.transfer_request import Door, FetchBlob
from deployments.core.transfer_values import FETCH
from deployments.oci.forms_offer import offer_fetch, offer_pull
from deployments.oci.registry import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deployments.core.transfer_values import Link, Transfer
    from deployments.oci.endpoint import Endpoint, OnBytes
    from deployments.oci.forms import Form
    from deployments.oci.pacing import Pacer
    from deployments.oci.store import Store
    from ffsweb.remote import Session


def offered(
    store: Store,
    manifest_digest: str,
    transfer: Transfer,
    found: Mapping[str, Form],
    link: Link,
    *,
    token: str,
    repository: str,
    on_bytes: OnBytes,
    pace: Pacer | None,
) -> tuple[Endpoint, str]:
    """The endpoint, and the digest of the manifest that a pull asks for. Raises BlobMissing, BlobDamaged."""
    if transfer.way == FETCH:
        blobs = offer_fetch(
            store, manifest_digest, found, token=token, repository=repository, on_bytes=on_bytes, pace=pace
        )
        return blobs, manifest_digest
    return offer_pull(
        store,
        manifest_digest,
        found,
        token=token,
        repository=repository,
        on_bytes=on_bytes,
        pace=pace,
        gzip_level=0 if link.usable >= FAST else 1,  # to pack on the way takes longer than such a line
    )


def blobs_of(transfer: Transfer, found: Mapping[str, Form]) -> list[FetchBlob]:
    """What the node fetches, in the order of its layers: the forms, or the layers as they are."""
    return [
        FetchBlob(
            digest=found[layer.diff_id].digest if layer.diff_id in found else layer.diff_id,
            size=found[layer.diff_id].size if layer.diff_id in found else layer.size,
            form=layer.form if layer.diff_id in found else "raw",
            diff_id=layer.diff_id,
            diff_size=layer.size,
            base=layer.base,
        )
        for layer in transfer.layers
    ]


@contextmanager
def opened(session: Session, endpoint: Endpoint) -> Iterator[Door]:
    """The endpoint, at the node's end of the connection while the block lasts. Raises RemoteError."""
    with session.reverse_forward(lambda channel: serve(channel, endpoint)) as forward:
        yield Door(forward.port, endpoint.token)
