"""What is wrong with an image is found whatever it comes in: docker archives, OCI archives, plain or packed, layout
directories. Each case is refused with its reason, and nothing is kept."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.oci import errors
from deployments.oci.archive import import_images, import_layout
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store
from deployments.oci.zstd import zstd

from .images import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Picture,
    archive,
    descriptor,
    everything_below,
    gzipped,
    layer,
    podman_members,
    sha,
)
from .test_import_layout import lay_out

LIMITS = ImageLimits(archive_bytes=24_000_000, expanded_bytes=12_000_000, layer_bytes=6_000_000, members=1000)
Members = dict[str, Any]
Import = Callable[[Members, Store, Path], Any]


def as_archive(pack: Callable[[bytes], bytes]) -> Import:
    return lambda members, store, _: import_images(io.BytesIO(pack(archive(members))), store, LIMITS)


def as_directory(members: Members, store: Store, tmp_path: Path) -> Any:
    return import_layout(lay_out(tmp_path / "layout", members), store, LIMITS)


ARCHIVES: dict[str, Import] = {
    "plain": as_archive(bytes),
    "gzip": as_archive(gzip.compress),
    "zstd": as_archive(zstd.compress),
}
CARRIERS = ARCHIVES | {"directory": as_directory}


def oci(
    change_manifest: Callable[[dict[str, Any]], object] = lambda _: None,
    change_config: Callable[[dict[str, Any]], object] = lambda _: None,
    *,
    layers: list[bytes] | None = None,
    extra: Members | None = None,
    pad: int = 0,
) -> Members:
    """An OCI layout of one image whose documents were changed, with everything that refers to them made to fit."""
    picture = Picture(layers=layers) if layers else Picture()
    blobs = {f"blobs/sha256/{sha(blob)}": blob for blob in map(gzipped, picture.layers)}
    config = json.loads(picture.config)
    change_config(config)
    config_data = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, config_data),
        "layers": [descriptor(OCI_LAYER + "+gzip", gzipped(data)) for data in picture.layers],
    }
    change_manifest(manifest)
    data = json.dumps(manifest).encode() + b" " * pad
    index = {"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, data)]}
    blobs |= {f"blobs/sha256/{sha(each)}": each for each in (config_data, data)}
    top: Members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    return top | blobs | (extra or {})


def docker(
    change: Callable[[list[dict[str, Any]]], object] = lambda _: None,
    change_config: Callable[[dict[str, Any]], object] = lambda _: None,
    *,
    layers: list[bytes] | None = None,
    extra: Members | None = None,
    pad: int = 0,
) -> Members:
    """A docker archive changed likewise."""
    picture = Picture(layers=layers) if layers else Picture()
    members = podman_members(picture)
    del members[f"{sha(picture.config)}.json"]
    config = json.loads(picture.config)
    change_config(config)
    data = json.dumps(config).encode()
    manifest = json.loads(members["manifest.json"])
    manifest[0]["Config"] = f"{sha(data)}.json"
    change(manifest)
    return members | {
        f"{sha(data)}.json": data,
        "manifest.json": json.dumps(manifest).encode() + b" " * pad,
        **(extra or {}),
    }


def one_diff_id(config: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"][1] = "sha256:" + "0" * 64


def many(count: int) -> list[bytes]:
    return [layer(n=str(number)) for number in range(count)]


FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
BIG = 4 * 1024 * 1024
Case = tuple[Callable[[], Members], type[ImageError], str]

OCI_CASES: dict[str, Case] = {
    "urls of a layer": (
        lambda: oci(lambda m: m["layers"][0].update(urls=["https://example.com/layer"])),
        errors.BadLayer,
        "content elsewhere",
    ),
    "urls of the configuration": (
        lambda: oci(lambda m: m["config"].update(urls=["https://example.com/config"])),
        errors.BadLayer,
        "content elsewhere",
    ),
    "foreign layer": (lambda: oci(lambda m: m["layers"][1].update(mediaType=FOREIGN)), errors.BadLayer, "foreign"),
    "wrong diffID": (
        lambda: oci(change_config=one_diff_id),
        errors.WrongDigest,
        "Layer 2 of the image has the diffID",
    ),
    "wrong size": (lambda: oci(lambda m: m["layers"][0].update(size=7)), errors.WrongDigest, "states 7 bytes"),
    "wrong size of the configuration": (
        lambda: oci(lambda m: m["config"].update(size=7)),
        errors.WrongDigest,
        "states 7 bytes",
    ),
    "128 layers": (lambda: oci(layers=many(128)), errors.BadLayer, "128 layers; 127 is the most"),
    "a manifest over 4 MB": (lambda: oci(pad=BIG), errors.BadDocument, "more than 4 MiB"),
    "a configuration over 4 MB": (
        lambda: oci(change_config=lambda c: c.update(history="x" * BIG)),
        errors.BadDocument,
        "more than 4 MiB",
    ),
    "a layer that expands": (
        lambda: oci(extra={"x": gzipped(bytes(7_000_000))}),
        errors.TooLarge,
        "'x' has more than 5.722 MiB",
    ),
    "layers that expand together": (
        lambda: oci(extra={f"x{n}": zstd.compress(bytes(5_000_000)) for n in range(3)}),
        errors.Expands,
        "unpacks to more than",
    ),
    "a link out": (lambda: oci(extra={"blobs/x": "../../../etc/passwd"}), errors.BadMember, "leads out"),
    "an absolute link": (lambda: oci(extra={"blobs/x": "/etc/passwd"}), errors.BadMember, "leads out"),
    "a truncated layer": (
        lambda: oci(lambda m: cut_first(m, -5), extra=first_blob(-5)),
        errors.Truncated,
        "ends before it is complete",
    ),
    "a layer with trailing data": (
        lambda: oci(lambda m: cut_first(m, 0), extra=first_blob(0)),
        errors.TrailingData,
        "follows the end",
    ),
}


def spoiled(cut: int) -> bytes:
    """The first layer's blob without its last bytes, or (0) with more behind it."""
    data = gzipped(Picture().layers[0])
    return data[:cut] if cut else data + b"more"


def first_blob(cut: int) -> Members:
    return {f"blobs/sha256/{sha(spoiled(cut))}": spoiled(cut)}


def cut_first(manifest: dict[str, Any], cut: int) -> None:
    manifest["layers"][0] = descriptor(OCI_LAYER + "+gzip", spoiled(cut))


def in_first_layer(data: bytes) -> Members:
    return docker(extra={f"{sha(Picture().layers[0])}.tar": data})


DOCKER_CASES: dict[str, Case] = {
    "urls of a layer": (
        lambda: docker(lambda m: m[0].update(LayerSources={"sha256:" + "0" * 64: {"urls": ["https://example.com"]}})),
        errors.BadLayer,
        "foreign layer",
    ),
    "wrong diffID": (
        lambda: docker(change_config=one_diff_id),
        errors.WrongDigest,
        "Layer 2 of the image has the diffID",
    ),
    "128 layers": (lambda: docker(layers=many(128)), errors.BadLayer, "128 layers; 127 is the most"),
    "a manifest over 4 MB": (lambda: docker(pad=BIG), errors.BadDocument, "more than 4 MiB"),
    "a configuration over 4 MB": (
        lambda: docker(change_config=lambda c: c.update(history="x" * BIG)),
        errors.BadDocument,
        "more than 4 MiB",
    ),
    "a layer that expands": (
        lambda: docker(extra={"x": zstd.compress(bytes(7_000_000))}),
        errors.TooLarge,
        "'x' has more than 5.722 MiB",
    ),
    "a link out": (lambda: docker(extra={"a/x": "../../etc/passwd"}), errors.BadMember, "leads out"),
    "a path out in the manifest": (
        lambda: docker(lambda m: m[0].update(Layers=["../../etc/passwd", "x"])),
        errors.BadMember,
        "leads out",
    ),
    "a truncated layer": (
        lambda: in_first_layer(zstd.compress(Picture().layers[0])[:-3]),
        errors.Truncated,
        "ends before it is complete",
    ),
    "a layer with trailing data": (
        lambda: in_first_layer(zstd.compress(Picture().layers[0]) + b"more"),
        errors.TrailingData,
        "follows the end",
    ),
}


def refuse(take: Import, case: Case, store: Store, tmp_path: Path) -> None:
    make, error, match = case
    before = everything_below(store.directory)
    with pytest.raises(error, match=match) as caught:
        take(make(), store, tmp_path)
    assert type(caught.value) is error
    assert "Nothing was kept." in str(caught.value)
    assert everything_below(store.directory) == before


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("case", OCI_CASES)
def test_what_is_wrong_with_an_oci_image_is_refused(case: str, carrier: str, store: Store, tmp_path: Path) -> None:
    refuse(CARRIERS[carrier], OCI_CASES[case], store, tmp_path)


@pytest.mark.parametrize("carrier", ARCHIVES)
@pytest.mark.parametrize("case", DOCKER_CASES)
def test_what_is_wrong_with_a_docker_image_is_refused(case: str, carrier: str, store: Store, tmp_path: Path) -> None:
    refuse(ARCHIVES[carrier], DOCKER_CASES[case], store, tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("make", [oci, docker])
def test_what_is_wrong_with_an_archive_is_refused_however_it_is_packed(
    make: Callable[[], Members], pack: Callable[[bytes], bytes], store: Store, tmp_path: Path
) -> None:
    good = archive(make())
    for data, error, match in (
        (good[:-700], errors.Truncated, "ends"),
        (good[:2000], errors.Truncated, "ends"),
        (good + b"more" * 200, errors.TrailingData, "follows the end"),
        (good[:-1024] + good, errors.DuplicateMember, "twice"),
    ):
        before = everything_below(store.directory)
        with pytest.raises(error, match=match):
            import_images(io.BytesIO(pack(data)), store, LIMITS)
        assert everything_below(store.directory) == before


@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_image_of_127_layers_is_taken(carrier: str, store: Store, tmp_path: Path) -> None:
    (image,) = CARRIERS[carrier](oci(layers=many(127)), store, tmp_path)
    assert len(image.layers) == 127
