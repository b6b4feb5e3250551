"""The whole way of an image: podman, a port on the node's loopback, the SSH connection, the endpoint, the store."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deployments.oci.archive import import_archive
from deployments.oci.endpoint import Endpoint
from deployments.oci.registry import serve
from deployments.oci.store import Store
from ffsweb.remote import Identity, connect, keys
from tests.remote.conftest import start_sshd, stop_sshd

from .images import Picture, archive, layer, podman_members
from .podman import Podman, needs_podman

pytestmark = [pytest.mark.sshd, *needs_podman]


def test_podman_pulls_through_the_reverse_forward(store: Store, tmp_path: Path) -> None:
    picture = Picture(layers=[layer(base="base " * 2_000_000), layer(app="one")])
    image = import_archive(io.BytesIO(archive(podman_members(picture))), store)
    private, public = keys.generate("tests")
    sshd = start_sshd(tmp_path, public)
    try:
        with connect(sshd.endpoint(), Identity(private)) as session:

            @contextlib.contextmanager
            def through_ssh(endpoint: Endpoint) -> Iterator[int]:
                with session.reverse_forward(partial(serve, endpoint=endpoint)) as forward:
                    yield forward.port

            with tempfile.TemporaryDirectory(prefix="podman-") as directory:
                podman = Podman(Path(directory))
                pulled, counted = podman.pull(store, image, gzip_level=0, reach=through_ssh)
                assert pulled == image.image_id
                assert counted.bytes[image.layers[0].diff_id] > len(picture.layers[0]) > 10_000_000
    finally:
        stop_sshd(sshd)
