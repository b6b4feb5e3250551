"""The store keeps what it is told to keep, shared by several processes, and stays a layout that others can read."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.oci import drafts
from deployments.oci.archive import import_archive
from deployments.oci.errors import BlobDamaged, BlobMissing, DiskFull, NotAStore, StoreBusy
from deployments.oci.store import ImportedImage, Keep, Store, gc

from .images import Picture, archive, everything_below, layer, podman_members

BASE = layer(base="base")


def keeping(*digests: str) -> Callable[[], Keep]:
    return lambda: Keep(frozenset(digests))


def picture(name: str) -> Picture:
    return Picture(layers=[BASE, layer(app=name)])


def take(store: Store, name: str) -> ImportedImage:
    return import_archive(io.BytesIO(archive(podman_members(picture(name)))), store)


def test_collection_keeps_what_kept_images_share(store: Store) -> None:
    one, two = take(store, "one"), take(store, "two")
    removed = gc(store, keeping(two.manifest_digest), grace=0)
    assert removed.blobs == 3
    assert not store.blobs.has(one.manifest_digest)
    assert not store.blobs.has(one.layers[1].diff_id)
    for digest in (two.manifest_digest, two.image_id, *(each.diff_id for each in two.layers)):
        store.blobs.verify(digest)
    assert [each.digest for each in store.images()] == [two.manifest_digest]


def test_collection_keeps_single_blobs_that_it_is_told_of(store: Store) -> None:
    one = take(store, "one")
    gc(store, keeping(one.layers[0].diff_id), grace=0)
    assert set(store.blobs.digests()) == {one.layers[0].diff_id}


def test_collection_leaves_young_images_alone(store: Store) -> None:
    one = take(store, "one")
    assert gc(store, keeping()).blobs == 0
    assert [each.digest for each in store.images()] == [one.manifest_digest]


def test_a_layer_that_was_taken_in_again_is_young_again(store: Store) -> None:
    one = take(store, "one")
    old = time.time() - 7200
    for digest in store.blobs.digests():
        os.utime(store.blobs.path(digest), (old, old))
    two = take(store, "two")
    gc(store, keeping())
    assert not store.blobs.has(one.manifest_digest)
    store.blobs.verify(two.layers[0].diff_id)


def test_collection_refuses_when_it_cannot_know_what_to_keep(store: Store) -> None:
    one, two = take(store, "one"), take(store, "two")
    store.blobs.path(one.manifest_digest).unlink()
    before = everything_below(store.directory)
    with pytest.raises(BlobMissing, match="Nothing was removed"):
        gc(store, keeping(one.manifest_digest, two.manifest_digest), grace=0)
    store.blobs.path(two.manifest_digest).write_bytes(b"{}")
    with pytest.raises(BlobDamaged):
        gc(store, keeping(two.manifest_digest), grace=0)
    assert everything_below(store.directory) == before


def test_collection_waits_for_no_upload_and_spoils_none(store: Store) -> None:
    with store.blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(b"half")
        with pytest.raises(StoreBusy, match="Try again"):
            gc(store, keeping(), grace=0)
        assert writer.draft.path.exists()
    gc(store, keeping(), grace=0)


def test_collection_removes_what_a_killed_writer_left(store: Store) -> None:
    left = store.directory / "scratch" / "new-killed"
    left.mkdir()
    (left / "1").write_bytes(b"half")
    gc(store, keeping())
    assert not left.exists()


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(NotAStore, match="is not empty"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_creation_that_was_interrupted_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "index.json.new").write_bytes(b'{"sch')
    Store(tmp_path)
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert Store(tmp_path).images() == ()


def test_a_damaged_index_is_said_to_be_damaged(store: Store) -> None:
    (store.directory / "index.json").write_bytes(b"{")
    with pytest.raises(BlobDamaged, match=r"index\.json"):
        store.images()


def test_a_damaged_manifest_is_not_believed(store: Store) -> None:
    one = take(store, "one")
    path = store.blobs.path(one.manifest_digest)
    path.write_bytes(path.read_bytes().replace(b"layers", b"Layers"))
    with pytest.raises(BlobDamaged):
        store.manifest(one.manifest_digest)


def test_a_path_cannot_be_made_of_what_is_no_digest(store: Store) -> None:
    for text in ("sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 64, ""):
        with pytest.raises(ValueError, match="not a SHA-256 digest"):
            store.blobs.path(text)


def test_a_full_disk_is_said_and_nothing_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything_below(store.directory)
    monkeypatch.setattr(drafts, "RESERVE", 2**62)
    with pytest.raises(DiskFull, match="left"):
        take(store, "one")
    assert everything_below(store.directory) == before


def test_the_error_of_a_full_disk_is_translated() -> None:
    with pytest.raises(DiskFull), drafts.disk_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), drafts.disk_errors():
        raise PermissionError(errno.EACCES, "no")


def test_blobs_are_for_the_owner_only(store: Store) -> None:
    one = take(store, "one")
    assert store.blobs.path(one.image_id).stat().st_mode & 0o777 == 0o600
    assert store.blobs.directory.stat().st_mode & 0o777 == 0o700


def _import_many(directory: str, worker: int, rounds: int) -> None:
    store = Store(Path(directory))
    for number in range(rounds):
        take(store, f"image {(worker + number) % 4}")


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_import_many, args=(str(tmp_path / "store"), n, 8)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    store = Store(tmp_path / "store")
    assert len(store.images()) == 4
    for digest in store.blobs.digests():
        store.blobs.verify(digest)
    assert len(set(store.blobs.digests())) == 1 + 4 * 3
