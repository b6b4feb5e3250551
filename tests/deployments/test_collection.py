"""The image store is collected: what anybody needs stays, the rest goes, and what was done is written down."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from deployments.execution import collect, imports
from deployments.models import Collection, Image, ImageLayer, ProjectBlob
from deployments.models.collection import bytes_in_store
from deployments.oci.blobs import GRACE
from deployments.services.collect import kept_digests, request_collection, shares
from deployments.services.content import remove_image
from deployments.services.sizes import sizes_for
from deployments.tasks import collect_store, sweep_store
from ffsweb.accounts.models import Project
from ffsweb.audit.models import AuditEvent
from ffsweb.operations import services as operations
from ffsweb.operations.services import enqueue
from tests.deployments.fleet import Fleet
from tests.oci.images import Picture, archive, everything_below, layer, multi_arch_members, podman_members

BASE = layer(etc_base="base" * 1000)


def take_in(fleet: Fleet, tmp_path: Path, text: str) -> Image:
    path = tmp_path / f"{text}.tar"
    picture = Picture(layers=[BASE, layer(app_main=text)])
    path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{text}",))))
    return fleet.image(path)


def let_age(data: Path) -> None:
    """Blobs that were made a moment ago are spared; these were made long ago."""
    for path in (data / "oci" / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 2 * GRACE,) * 2)


def loose_blob(data: Path, text: bytes = b"nobody's") -> str:
    """An old blob to which nothing refers."""
    store = imports.store()
    with store.blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(text)
        workspace.keep([writer.draft])
    let_age(data)
    return writer.draft.digest


def ask_and_collect(fleet: Fleet) -> Collection:
    asked = request_collection(actor=fleet.alice)
    collect_store()
    return Collection.objects.get(pk=asked.pk)


def test_what_was_freed_is_written_down(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    take_in(fleet, tmp_path, "one")
    two = take_in(fleet, tmp_path, "two")
    let_age(data)
    before = everything_below(data / "oci")
    on_disk = sum(path.stat().st_size for path in (data / "oci" / "blobs").rglob("*") if path.is_file())
    remove_image(image=two, actor=fleet.alice)
    ended = ask_and_collect(fleet)
    assert (ended.state, ended.problem, ended.asked_by) == ("done", "", "alice")
    assert ended.freed_blobs == len(before) - len(everything_below(data / "oci")) == 3
    assert ended.freed_bytes + ended.kept_bytes == on_disk
    assert ended.kept_blobs == 4
    assert AuditEvent.objects.filter(action="store.collect").count() == 1


def test_an_image_stays_whether_it_is_in_a_release_or_not_and_in_every_architecture(
    fleet: Fleet, data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "multi.tar"
    pictures = [Picture(architecture=name, layers=[BASE, layer(x=name)]) for name in ("amd64", "arm64")]
    path.write_bytes(archive(multi_arch_members(*pictures)))
    fleet.take_in("image", path)
    fleet.release(Image.objects.get(architecture="amd64"))
    take_in(fleet, tmp_path, "in no release")
    let_age(data)
    before = everything_below(data / "oci")
    assert ask_and_collect(fleet).freed_blobs == 0
    assert everything_below(data / "oci") == before


def test_nothing_young_goes(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    image = take_in(fleet, tmp_path, "one")
    remove_image(image=image, actor=fleet.alice)
    assert ask_and_collect(fleet).freed_blobs == 0
    let_age(data)
    assert ask_and_collect(fleet).freed_blobs == 4


def test_what_a_push_may_still_be_about_stays_for_a_day(fleet: Fleet, data: Path) -> None:
    digest = loose_blob(data)
    row = ProjectBlob.objects.create(
        project=fleet.project, digest="sha256:" + "1" * 64, diff_id=digest, size=8, content_size=8, media_type="x"
    )
    assert ask_and_collect(fleet).freed_blobs == 0
    ProjectBlob.objects.filter(pk=row.pk).update(used_at=timezone.now() - timedelta(days=2))
    assert ask_and_collect(fleet).freed_blobs == 1


def test_what_an_operation_names_stays_until_it_has_ended(fleet: Fleet, data: Path) -> None:
    digest = loose_blob(data)
    params = {"deep": [{"inside": f"pull {digest}"}], "gone": "sha256:" + "0" * 64}
    waiting = enqueue(
        kind="import-image", project=fleet.project, actor=fleet.alice, title="x", params=params, targets=[], holds=[]
    )
    assert ask_and_collect(fleet).freed_blobs == 0
    assert digest in kept_digests().wanted
    operations.cancel(waiting, actor=fleet.alice)
    assert ask_and_collect(fleet).freed_blobs == 1


def test_a_busy_store_is_left_alone_until_it_is_idle(fleet: Fleet, data: Path) -> None:
    digest = loose_blob(data)
    store = imports.store()
    with store.blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(b"half of an upload")
        waiting = ask_and_collect(fleet)
        assert waiting.state == "pending"
        assert waiting.problem == "An upload is being taken in. The collection waits for its end."
        assert store.blobs.has(digest)
        assert writer.draft.path.exists()
    collect_store()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.problem, waiting.freed_blobs) == ("done", "", 1)


def test_who_asks_while_one_waits_gets_that_one(fleet: Fleet) -> None:
    assert request_collection(actor=fleet.alice) == request_collection(actor=fleet.alice)
    collect.ask()
    assert Collection.objects.count() == 1


def test_the_clock_asks_every_time_it_sweeps(fleet: Fleet, data: Path) -> None:
    loose_blob(data)
    sweep_store()
    assert [(each.state, each.asked_by, each.freed_blobs) for each in Collection.objects.all()] == [("done", "", 1)]
    sweep_store()
    assert Collection.objects.count() == 2


def test_a_tick_without_a_request_does_nothing(fleet: Fleet, data: Path) -> None:
    digest = loose_blob(data)
    collect_store()
    assert imports.store().blobs.has(digest)
    assert not Collection.objects.exists()


def test_a_store_that_lacks_what_it_should_have_loses_nothing_more(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    image = take_in(fleet, tmp_path, "one")
    digest = loose_blob(data)
    imports.store().blobs.path(image.manifest_digest).unlink()
    ended = ask_and_collect(fleet)
    assert ended.state == "failed"
    assert f"{image.manifest_digest} is to be kept and is not in the store" in ended.problem
    assert imports.store().blobs.has(digest)


def test_rows_of_old_collections_go(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "REMEMBERED", 3)
    for _ in range(5):
        ask_and_collect(fleet)
    assert Collection.objects.count() == 3


# Sizes


def test_sizes_count_every_layer_once_and_say_what_is_shared(fleet: Fleet, tmp_path: Path) -> None:
    one, two = take_in(fleet, tmp_path, "one"), take_in(fleet, tmp_path, "two")
    own = len(layer(app_main="one"))
    rows = {row.pk: row for row in Image.objects.with_shared()}
    assert (rows[one.pk].size, rows[one.pk].shared) == (len(BASE) + own, len(BASE))
    assert rows[two.pk].shared == len(BASE)
    sizes = sizes_for(fleet.project)
    assert sizes.project == sizes.store == len(BASE) + 2 * own
    assert sizes.free > 0


def test_what_other_projects_have_is_not_told_to_this_one(fleet: Fleet, tmp_path: Path) -> None:
    mine = take_in(fleet, tmp_path, "one")
    other = Project.objects.create(name="other")
    Image.objects.create(
        project=other, image_id=mine.image_id, manifest_digest=mine.manifest_digest, architecture="amd64",
        layers=mine.layers, size=mine.size,
    )  # fmt: skip
    assert Image.objects.with_shared().get(pk=mine.pk).shared is None
    told = {share.name: share for share in shares()}
    assert (told["serbest"].size, told["serbest"].shared, told["serbest"].own) == (mine.size, mine.size, 0)
    assert bytes_in_store() == mine.size


def test_shares_tell_releases_and_come_largest_first(fleet: Fleet, tmp_path: Path) -> None:
    one = take_in(fleet, tmp_path, "one")
    take_in(fleet, tmp_path, "two")
    fleet.release(one)
    small = Project.objects.create(name="a-small-one")
    Image.objects.create(
        project=small, image_id="sha256:1", manifest_digest="sha256:2", architecture="amd64", layers=[], size=0
    )
    assert [(share.name, share.images, share.in_releases) for share in shares()] == [
        ("serbest", 2, 1),
        ("a-small-one", 1, 0),
    ]


def test_a_layer_that_an_image_has_twice_counts_once(fleet: Fleet) -> None:
    empty = {"diff_id": "sha256:" + "e" * 64, "size": 1024}
    image = Image.objects.create(
        project=fleet.project, image_id="sha256:1", manifest_digest="sha256:2", architecture="amd64",
        layers=[empty, empty], size=2048,
    )  # fmt: skip
    assert bytes_in_store(fleet.project) == 1024
    image.layers = []
    image.save()
    assert not ImageLayer.objects.exists()
