"""Real podman pulls what we serve, and we read what real podman, skopeo and buildah write."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.oci.archive import import_archive, import_images, import_layout
from deployments.oci.store import ImportedImage, Store

from .images import Picture, archive, layer, multi_arch_members, podman_members
from .podman import Podman, needs_podman
from .test_import_layout import lay_out

pytestmark = needs_podman

BASE = layer(base="base " * 50_000)
HEALTH = {"Test": ["CMD", "/bin/true"], "Interval": 30_000_000_000}


@pytest.fixture
def podman() -> Iterator[Podman]:
    with tempfile.TemporaryDirectory(prefix="podman-") as directory:  # podman takes up to 50 characters of path
        yield Podman(Path(directory))


def take(store: Store, app: str, **more: object) -> ImportedImage:
    picture = Picture(layers=[BASE, layer(app=app)], run={"Entrypoint": ["/app"]} | more)
    return import_archive(io.BytesIO(archive(podman_members(picture))), store)


@pytest.mark.parametrize("gzip_level", [0, 1])
def test_the_pulled_image_has_the_digest_of_its_configuration_as_id(
    gzip_level: int, podman: Podman, store: Store
) -> None:
    image = take(store, "one")
    pulled, counted = podman.pull(store, image, gzip_level=gzip_level)
    assert pulled == image.image_id
    found = json.loads(podman.run("image", "inspect", pulled))[0]
    assert found["RootFS"]["Layers"] == [each.diff_id for each in image.layers]
    travelled = counted.bytes[image.layers[0].diff_id]
    assert (travelled < len(BASE) / 50) if gzip_level else (travelled >= len(BASE))


def test_a_second_version_fetches_the_changed_layer_only(podman: Podman, store: Store) -> None:
    podman.pull(store, take(store, "one"))
    two = take(store, "two")
    pulled, counted = podman.pull(store, two)
    assert pulled == two.image_id
    assert set(counted.bytes) == {"", two.image_id, two.layers[1].diff_id}
    assert sum(counted.bytes.values()) < 8000


def test_a_held_image_moves_no_layer(podman: Podman, store: Store) -> None:
    one = take(store, "one")
    podman.pull(store, one)
    pulled, counted = podman.pull(store, one)
    assert pulled == one.image_id
    assert not {each.diff_id for each in one.layers} & set(counted.bytes)


def test_layers_that_came_by_podman_load_are_not_fetched_again(podman: Podman, store: Store, tmp_path: Path) -> None:
    loaded = tmp_path / "one.tar"
    loaded.write_bytes(archive(podman_members(Picture(layers=[BASE, layer(app="one")], run={}))))
    podman.run("load", "--quiet", "--signature-policy", str(podman.policy), "--input", str(loaded))
    two = take(store, "two")
    _, counted = podman.pull(store, two)
    assert two.layers[0].diff_id not in counted.bytes


def test_podman_reads_the_health_check(podman: Podman, store: Store) -> None:
    pulled, _ = podman.pull(store, take(store, "one", Healthcheck=HEALTH))
    found = json.loads(podman.run("image", "inspect", pulled))[0]
    assert found["Healthcheck"]["Test"] == ["CMD", "/bin/true"]


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_what_podman_saves_is_taken_in_unchanged(form: str, podman: Podman, store: Store, tmp_path: Path) -> None:
    image = take(store, "one")
    pulled, _ = podman.pull(store, image)
    podman.run("tag", pulled, "localhost/app:v1")
    saved = tmp_path / "saved.tar"
    podman.run("save", "--quiet", "--format", form, "--output", str(saved), "localhost/app:v1")
    again = import_archive(saved, Store(tmp_path / "again"))
    assert (again.layers, again.config.entrypoint) == (image.layers, ("/app",))
    assert again.reference == "localhost/app:v1"
    if form == "oci-archive":
        assert again.image_id == image.image_id


def test_of_a_multi_image_archive_of_podman_one_is_chosen(podman: Podman, store: Store, tmp_path: Path) -> None:
    saved = tmp_path / "saved.tar"
    for name in ("one", "two"):
        pulled, _ = podman.pull(store, take(store, name))
        podman.run("tag", pulled, f"localhost/{name}:v1")
    podman.run(
        "save", "--quiet", "--multi-image-archive", "--output", str(saved), "localhost/one:v1", "localhost/two:v1"
    )
    image = import_archive(saved, Store(tmp_path / "again"), reference="localhost/two:v1")
    assert image.layers == take(store, "two").layers


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_skopeo_reads_the_store_and_we_read_what_it_writes(
    form: str, podman: Podman, store: Store, tmp_path: Path
) -> None:
    image = take(store, "one")
    written = tmp_path / "written.tar"
    source = f"oci:{store.directory}:{image.image_id.replace(':', '-')}"
    command = ["skopeo", "--policy", str(podman.policy), "copy", "--quiet", source, f"{form}:{written}:app:v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    again = import_archive(written, Store(tmp_path / "again"))
    assert again.layers == image.layers


def skopeo(podman: Podman, *words: str) -> None:
    command = ["skopeo", "--policy", str(podman.policy), "copy", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("packing", ["gzip", "zstd", "zstd:chunked"])
def test_what_skopeo_packs_is_taken_in_from_a_directory_and_from_an_archive(
    packing: str, podman: Podman, store: Store, tmp_path: Path
) -> None:
    image = take(store, "one")
    source = f"oci:{store.directory}:{image.image_id.replace(':', '-')}"
    options = ("--dest-compress", "--dest-compress-format", packing)
    skopeo(podman, *options, source, f"oci:{tmp_path}/layout:app:v1")
    skopeo(podman, *options, source, f"oci-archive:{tmp_path}/image.tar:app:v1")
    (found,) = import_layout(tmp_path / "layout", Store(tmp_path / "one"))
    again = import_archive(tmp_path / "image.tar", Store(tmp_path / "two"))
    assert (found.layers, found.image_id, found.reference) == (image.layers, image.image_id, "app:v1")
    assert (again.layers, again.image_id) == (image.layers, image.image_id)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_every_architecture_that_skopeo_copies_is_taken_in(podman: Podman, store: Store, tmp_path: Path) -> None:
    pictures = [Picture(layers=[BASE, layer(app=name)], architecture=name) for name in ("amd64", "arm64")]
    lay_out(tmp_path / "source", multi_arch_members(*pictures, attestation=False))
    skopeo(podman, "--all", f"oci:{tmp_path}/source:v1", f"oci:{tmp_path}/layout:v1")
    skopeo(podman, "--all", f"oci:{tmp_path}/source:v1", f"oci-archive:{tmp_path}/image.tar:v1")
    expected = [(each.image_id, each.architecture) for each in pictures]
    for found in (import_layout(tmp_path / "layout", store), import_images(tmp_path / "image.tar", store)):
        assert [(each.image_id, each.architecture) for each in found] == expected
        assert len({each.index_digest for each in found} - {""}) == 1
    for each in pictures:
        machine = Store(tmp_path / each.architecture)
        (tmp_path / "one.tar").unlink(missing_ok=True)
        skopeo(
            podman, "--override-arch", each.architecture, f"oci:{tmp_path}/source:v1",
            f"oci-archive:{tmp_path}/one.tar:v1",
        )  # fmt: skip
        assert import_archive(tmp_path / "one.tar", machine).image_id == each.image_id
