"""Archives that podman, docker, buildkit and skopeo write are taken in, whatever their form."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.oci.archive import import_archive, import_images
from deployments.oci.errors import NoSuchImage, SeveralImages, WrongDigest
from deployments.oci.imageconfig import ImageConfig
from deployments.oci.store import Store
from deployments.oci.zstd import zstd

from .images import (
    OCI_MANIFEST,
    Picture,
    archive,
    descriptor,
    everything_below,
    layer,
    multi_arch_members,
    oci_manifest,
    oci_members,
    old_docker_members,
    podman_members,
    sha,
)

FORMS: dict[str, Callable[[Picture], dict[str, Any]]] = {
    "podman save": podman_members,
    "docker save before 25": old_docker_members,
    "oci-archive with gzip layers": oci_members,
    "oci-archive with plain layers": lambda picture: oci_members(picture, packed=False),
    "oci-archive with zstd layers": lambda picture: oci_members(picture, pack=zstd.compress),
    "buildx with an index": multi_arch_members,
    "docker save since 25": lambda picture: podman_members(picture) | oci_members(picture, packed=False),
}


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
}


def take(members: dict[str, Any], store: Store, **options: Any) -> Any:
    return import_archive(io.BytesIO(archive(members)), store, **options)


def take_all(members: dict[str, Any], store: Store, **options: Any) -> Any:
    return import_images(io.BytesIO(archive(members)), store, **options)


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_image(form: str, pack: Callable[[bytes], bytes], store: Store) -> None:
    picture = Picture()
    image = import_archive(io.BytesIO(pack(archive(FORMS[form](picture)))), store)
    assert image.image_id == picture.image_id
    assert [each.diff_id for each in image.layers] == [f"sha256:{sha(each)}" for each in picture.layers]
    assert [each.size for each in image.layers] == [len(each) for each in picture.layers]
    assert (image.architecture, image.os, image.size) == ("amd64", "linux", sum(map(len, picture.layers)))
    assert image.config == ImageConfig(entrypoint=("/app/main",), cmd=("--serve",), env=("PATH=/bin",), user="1000")
    for each in picture.layers:
        assert store.blobs.path(f"sha256:{sha(each)}").read_bytes() == each
    assert store.blobs.path(image.image_id).read_bytes() == picture.config
    manifest = json.loads(store.document(image.manifest_digest))
    assert {each["mediaType"] for each in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
    assert manifest["config"]["digest"] == image.image_id


def test_the_manifest_does_not_depend_on_the_form_of_the_archive(store: Store) -> None:
    assert len({take(make(Picture()), store).manifest_digest for make in FORMS.values()}) == 1


def test_only_the_image_stays_of_an_archive(store: Store) -> None:
    picture = Picture()
    image = take(podman_members(picture), store)
    kept = {image.manifest_digest, image.image_id, *(each.diff_id for each in image.layers)}
    names = {f"blobs/{digest.replace(':', '/')}" for digest in kept}
    assert everything_below(store.directory) == names | {"index.json", "oci-layout"}


def test_a_file_is_read_as_well_as_a_stream(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(archive(podman_members(Picture())))
    seen: list[tuple[int, int | None]] = []
    image = import_archive(path, store, on_progress=lambda done, total: seen.append((done, total)))
    assert image.reference == "localhost/app:v1"
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_a_stream_has_no_total_and_its_small_reads_are_enough(store: Store) -> None:
    class Drip(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data = io.BytesIO(data)

        def read(self, size: int = -1, /) -> bytes:
            return self.data.read(min(size, 97))

    seen: set[int | None] = set()
    image = import_archive(
        Drip(archive(oci_members(Picture()))),  # type: ignore[arg-type]
        store,
        on_progress=lambda _, total: seen.add(total),
    )
    assert (image.image_id, seen) == (Picture().image_id, {None})


def test_what_the_progress_raises_ends_the_import_and_leaves_nothing(store: Store) -> None:
    class Cancelled(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Cancelled

    before = everything_below(store.directory)
    with pytest.raises(Cancelled):
        import_archive(io.BytesIO(archive(podman_members(Picture()))), store, on_progress=stop)
    assert everything_below(store.directory) == before


def test_an_image_with_one_layer_twice_is_one_blob(store: Store) -> None:
    empty = layer()
    image = take(old_docker_members(Picture(layers=[layer(a="a"), empty, empty])), store)
    assert len(image.layers) == 3
    assert len({each.diff_id for each in image.layers}) == 2


def test_several_gzip_members_in_one_layer_are_read(store: Store) -> None:
    picture = Picture(layers=[layer(a="a" * 4000)])
    data = picture.layers[0]
    members = podman_members(picture)
    members[f"{sha(data)}.tar"] = gzip.compress(data[:1000]) + gzip.compress(data[1000:])
    assert take(members, store).image_id == picture.image_id


def test_an_image_with_a_health_check_gets_the_types_from_which_podman_reads_it(store: Store) -> None:
    health = {"Test": ["CMD", "/bin/true"], "Interval": 30_000_000_000}
    image = take(oci_members(Picture(run={"Healthcheck": health})), store)
    assert image.config.healthcheck is not None
    assert image.config.healthcheck.active
    assert image.config.healthcheck.interval == 30_000_000_000
    manifest = store.manifest(image.manifest_digest)
    assert manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    none = take(oci_members(Picture(run={"Healthcheck": {"Test": ["NONE"]}})), store)
    assert store.manifest(none.manifest_digest).media_type == "application/vnd.oci.image.manifest.v1+json"


def test_the_configuration_survives_a_row() -> None:
    config = ImageConfig(entrypoint=("a",), labels=(("x", "y"),), volumes=("/data",), stop_signal="SIGINT")
    assert ImageConfig.from_json(json.loads(json.dumps(config.as_json()))) == config


def test_of_several_images_the_one_that_was_asked_for_is_taken(store: Store) -> None:
    one, two = Picture(), Picture(layers=[layer(b="b")])
    for members, names in (
        (podman_members(one, two, tags=("a:1", "b:1")), ("a:1", "b:1")),
        (oci_members(one, two, names=("a:1", "b:1")), ("a:1", "b:1")),
    ):
        with pytest.raises(SeveralImages, match=r"a:1, b:1\. Nothing was kept") as caught:
            take(members, store)
        assert caught.value.choices == names
        image = take(members, store, reference="b:1")
        assert (image.image_id, image.reference) == (two.image_id, "b:1")
        with pytest.raises(NoSuchImage, match="c:1"):
            take(members, store, reference="c:1")


def test_images_without_a_name_are_told_apart_by_digest(store: Store) -> None:
    one, two = Picture(), Picture(layers=[layer(b="b")])
    with pytest.raises(SeveralImages, match="sha256:"):
        take(oci_members(one, two, names=()), store)
    with pytest.raises(SeveralImages, match=sha(two.config)):
        take(podman_members(one, two, tags=()), store)


@pytest.mark.parametrize("nested", [False, True])
def test_every_architecture_for_linux_is_taken_and_tied_to_its_index(nested: bool, store: Store) -> None:
    shared = layer(etc_base="for all")
    amd = Picture(layers=[shared, layer(bin_x="amd")])
    arm = Picture(architecture="arm", layers=[shared, layer(bin_x="arm")], extra={"variant": "v7"})
    windows = Picture(extra={"os": "windows"}, layers=[layer(c="windows")])
    members = multi_arch_members(amd, arm, windows, nested=nested)
    found = take_all(members, store)
    assert [(each.image_id, each.architecture) for each in found] == [
        (amd.image_id, "amd64"),
        (arm.image_id, "arm/v7"),
    ]
    name = "index.json"
    if nested:
        name = next(name for name in members if b"attestation-manifest" in members[name] and name != "index.json")
    assert {each.index_digest for each in found} == {f"sha256:{sha(members[name])}"}
    for each in found:
        for digest in (each.manifest_digest, each.image_id, *(one.diff_id for one in each.layers)):
            store.blobs.verify(digest)
    assert not store.blobs.has(f"sha256:{sha(windows.layers[0])}")


def test_one_image_was_asked_for_and_several_architectures_are_there(store: Store) -> None:
    members = multi_arch_members(Picture(), Picture(architecture="arm64"))
    before = everything_below(store.directory)
    with pytest.raises(SeveralImages, match="linux/amd64, linux/arm64"):
        take(members, store)
    assert everything_below(store.directory) == before


def test_two_images_for_one_architecture_under_one_index_are_a_question(store: Store) -> None:
    before = everything_below(store.directory)
    with pytest.raises(SeveralImages, match="linux/amd64, linux/amd64"):
        take_all(multi_arch_members(Picture(), Picture(layers=[layer(b="b")])), store)
    assert everything_below(store.directory) == before


def test_an_image_that_is_there_packed_in_two_ways_is_one_image(store: Store) -> None:
    picture = Picture()
    members = multi_arch_members(picture, nested=False)
    data, blobs = oci_manifest(picture, pack=zstd.compress)
    index = json.loads(members["index.json"])
    index["manifests"].append(descriptor(OCI_MANIFEST, data, platform={"os": "linux", "architecture": "amd64"}))
    members |= blobs | {"index.json": json.dumps(index).encode()}
    assert [each.image_id for each in take_all(members, store)] == [picture.image_id]


@pytest.mark.parametrize("told", [False, True], ids=["in its configuration", "in the index"])
def test_an_image_for_another_system_is_refused(told: bool, store: Store) -> None:
    windows = Picture(extra={"os": "windows"})
    members = oci_members(windows)
    if told:
        index = json.loads(members["index.json"])
        index["manifests"][0]["platform"] = {"os": "windows", "architecture": "amd64"}
        members["index.json"] = json.dumps(index).encode()
    with pytest.raises(NoSuchImage, match=r"no image for linux, but for: windows/amd64\. Nothing was kept"):
        take_all(members, store)
    with pytest.raises(NoSuchImage, match="no image for linux"):
        take_all(podman_members(windows), store)


def test_an_index_of_which_one_architecture_is_in_the_archive_is_no_question(store: Store) -> None:
    amd, arm = Picture(), Picture(architecture="arm64", layers=[layer(c="c")])
    manifest, _ = oci_manifest(amd)
    kept = multi_arch_members(amd, arm)
    del kept[f"blobs/sha256/{sha(manifest)}"]
    assert take(kept, store).image_id == arm.image_id


def test_importing_again_mends_a_damaged_blob(store: Store) -> None:
    image = take(podman_members(Picture()), store)
    path = store.blobs.path(image.layers[0].diff_id)
    path.write_bytes(b"damaged")
    take(podman_members(Picture()), store)
    store.blobs.verify(image.layers[0].diff_id)


def test_a_layer_of_another_picture_under_a_promised_name_is_refused(store: Store) -> None:
    members = podman_members(Picture())
    members[f"{sha(Picture().layers[1])}.tar"] = layer(evil="evil")
    with pytest.raises(WrongDigest, match="Layer 2 of the image has the diffID"):
        take(members, store)
