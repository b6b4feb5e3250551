"""What a node is offered by a plan."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deployments.core.transfer_values import PULL, Link, Transfer
from deployments.execution.transfer_offer import offered
from deployments.oci.archive import import_archive
from deployments.oci.store import Store
from tests.oci.images import Picture, archive, podman_members


@pytest.mark.parametrize(("rate", "level"), [(12_500_000, 1), (500_000_000, 0)])
def test_layers_as_they_are_are_packed_on_the_way_only_where_the_line_is_slower_than_that(
    tmp_path: Path, rate: int, level: int
) -> None:
    store = Store(tmp_path / "oci")
    image = import_archive(io.BytesIO(archive(podman_members(Picture()))), store)
    endpoint, _ = offered(
        store,
        image.manifest_digest,
        Transfer(PULL, image.size),
        {},
        Link(rate, 0.001),
        token="t" * 32,
        repository="app",
        on_bytes=lambda _digest, _count: None,
        pace=None,
    )
    assert endpoint.gzip_level == level
