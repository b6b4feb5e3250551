"""Whatever happens to the bytes of a good archive, it is an image or an ImageError, and nothing else stays."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.oci.archive import import_archive
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Keep, Store, gc
from deployments.oci.zstd import zstd

from .images import (
    Picture,
    archive,
    everything_below,
    multi_arch_members,
    oci_members,
    old_docker_members,
    podman_members,
)

LIMITS = ImageLimits(archive_bytes=1_000_000, expanded_bytes=1_000_000, layer_bytes=1_000_000, members=200)
CHECKED = {zstd.CompressionParameter.checksum_flag: 1}
GOOD = [
    data
    for members in (podman_members, oci_members, old_docker_members, multi_arch_members)
    for plain in [archive(members(Picture()))]
    for data in (plain, gzip.compress(plain, mtime=0), zstd.compress(plain, options=CHECKED))
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A good archive with bytes changed, cut out, put in, repeated or dropped at the end."""
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.sampled_from([1, 2, 8, 100, 512, 1024]))
        match draw(st.sampled_from(["change", "remove", "insert", "repeat", "cut", "number"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "remove":
                del data[at : at + length]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
            case "repeat":
                data[at:at] = data[at : at + length]
            case "cut":
                del data[at:]
            case "number":
                data[at : at + 8] = draw(st.sampled_from([b"77777777", b"\x80" + b"\xff" * 7, b"\xff" * 8, bytes(8)]))
    return bytes(data)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=mutations())
def test_a_mutated_archive_is_an_image_or_an_image_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store")
        empty = everything_below(store.directory)
        try:
            image = import_archive(io.BytesIO(data), store, LIMITS)
        except ImageError as error:
            assert str(error)
        else:
            for layer in image.layers:
                store.blobs.verify(layer.diff_id)
            gc(store, lambda: Keep(frozenset()), grace=0)
        assert everything_below(store.directory) == empty
        assert {path.name for path in (store.directory / "scratch").iterdir()} <= {"lock", "index.lock"}


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=3000), packed=st.booleans())
def test_noise_is_refused(data: bytes, packed: bool) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.raises(ImageError):
        import_archive(io.BytesIO(gzip.compress(data) if packed else data), Store(Path(directory) / "s"), LIMITS)
