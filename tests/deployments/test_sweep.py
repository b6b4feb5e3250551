"""What no row names any more leaves the data directory, and nothing else does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deployments.execution import imports, sweep
from deployments.models import FilesVersion, Image
from deployments.oci.blobs import GRACE
from deployments.oci.filestore import files_directory, tar_of
from deployments.oci.manifests import references
from deployments.services import requests
from deployments.services.content import StillNeeded, remove_image
from deployments.tasks import sweep_store
from ffsweb.operations import services as operations
from tests.deployments.fleet import Fleet
from tests.oci.images import Picture, archive, everything_below, layer, member, podman_members, tar


def old(path: Path, seconds: float = sweep.ABANDONED + 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_uploads_that_nobody_waits_for_go_after_a_day(fleet: Fleet, data: Path) -> None:
    uploads = data / "uploads"
    abandoned, young = old(uploads / "abandoned"), old(uploads / "young", sweep.ABANDONED - 60)
    waiting, ended = old(uploads / "waiting"), old(uploads / "ended")
    for path in (waiting, ended):
        asked = requests.request_import(project=fleet.project, what="image", upload=path, name="x", actor=fleet.alice)
    operations.cancel(asked, actor=fleet.alice)
    assert sweep.uploads(uploads) == 2
    assert {path.name for path in uploads.iterdir()} == {young.name, waiting.name}
    assert not abandoned.exists()


def test_a_directory_that_is_not_there_is_no_work(data: Path) -> None:
    assert sweep.uploads(data / "uploads") == 0


def image(fleet: Fleet, tmp_path: Path, text: str) -> Image:
    path = tmp_path / f"{text}.tar"
    picture = Picture(layers=[layer(etc_base="base"), layer(app_main=text)])
    path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{text}",))))
    return fleet.image(path)


def let_age(data: Path) -> None:
    """Blobs that were made a moment ago are spared; these were made long ago."""
    for path in (data / "oci" / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 10 * GRACE,) * 2)


def test_the_blobs_of_a_removed_image_go_and_those_it_shared_stay(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    first, second = image(fleet, tmp_path, "one"), image(fleet, tmp_path, "two")
    let_age(data)
    before = everything_below(data / "oci")
    sweep_store()
    assert everything_below(data / "oci") == before
    remove_image(image=second, actor=fleet.alice)
    sweep_store()
    after = everything_below(data / "oci")
    assert after < before
    store = imports.store()
    assert store.blobs.has(first.manifest_digest)
    assert not store.blobs.has(second.manifest_digest)
    assert all(store.blobs.has(digest) for digest in references(store.document(first.manifest_digest)))


def test_an_image_of_a_release_is_not_removed(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    used = image(fleet, tmp_path, "one")
    fleet.release(used)
    let_age(data)
    with pytest.raises(StillNeeded, match="Nothing was removed"):
        remove_image(image=used, actor=fleet.alice)
    sweep_store()
    assert imports.store().blobs.has(used.manifest_digest)


def test_a_blob_that_is_missing_postpones_the_sweep_and_removes_nothing(
    fleet: Fleet, data: Path, tmp_path: Path
) -> None:
    image(fleet, tmp_path, "one")
    let_age(data)
    fleet.described_image("never taken in")
    before = everything_below(data / "oci")
    sweep_store()
    assert everything_below(data / "oci") == before


def test_files_that_a_version_names_stay(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "files.tar"
    path.write_bytes(tar([member("a", b"1"), member("b", b"2")]))
    version = fleet.files(path)
    before = everything_below(data / "files")
    sweep_store()
    assert everything_below(data / "files") == before
    tree = version.tree()
    sent = b"".join(tar_of(tree, [entry.path for entry in tree.entries], files_directory(data / "files")))
    assert b"a" in sent
    assert FilesVersion.objects.count() == 1
