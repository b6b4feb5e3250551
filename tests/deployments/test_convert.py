"""Images are made ready for pushes before anybody asks, once, and never in the way of a deploy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from deployments.execution import convert
from deployments.execution.transfer_task import forms
from deployments.models import Image, Node, Reading, Service
from deployments.oci import forms_make
from deployments.oci.forms import BEST, CHUNKED, DELTA, QUICK, ZSTD, Wanted
from deployments.oci.forms_values import DELTA_LIMIT
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from tests.deployments.facts import node_facts
from tests.deployments.fleet import Fleet, log_of, run
from tests.oci.images import Picture, archive, layer, podman_members
from tests.oci.test_forms import some_layer
from tests.support.threads import at_once

OLD, NEW = some_layer(1), some_layer(1, changed=7)


def image(fleet: Fleet, tmp_path: Path, name: str, *layers: bytes) -> Image:
    path = tmp_path / f"{name}.tar"
    path.write_bytes(archive(podman_members(Picture(layers=list(layers)), tags=(f"localhost/app:{name}",))))
    return fleet.image(path)


@pytest.fixture
def images(fleet: Fleet, tmp_path: Path) -> tuple[Image, Image]:
    """One that runs, and one that is to follow."""
    first, second = (
        image(fleet, tmp_path, name, layer(etc_base="b"), data) for name, data in (("one", OLD), ("two", NEW))
    )
    service = fleet.service(fleet.node())
    Service.objects.filter(pk=service.pk).update(live_release=fleet.release(first))
    return first, second


def due() -> Operation | None:
    before = set(Operation.objects.values_list("pk", flat=True))
    convert.request_due()
    return Operation.objects.exclude(pk__in=before).first()


def next_one() -> Operation:
    found = due()
    assert found is not None
    return found


def test_every_new_image_is_prepared_once_the_newest_first(images: tuple[Image, Image]) -> None:
    operation = next_one()
    assert (operation.kind, operation.params) == ("prepare-image", {"image": images[1].pk})
    assert due() is None, "one at a time"
    ended = run(operation)
    assert ended.state == "succeeded", log_of(ended)
    assert next_one().params == {"image": images[0].pk}
    run(Operation.objects.latest("pk"))
    assert due() is None


def test_two_ticks_at_the_same_moment_ask_for_one_preparation(images: tuple[Image, Image]) -> None:
    assert at_once(*[convert.request_due] * 4) == [None] * 4
    assert Operation.objects.filter(kind=convert.KIND).count() == 1


def test_layers_are_compressed_and_compared_to_what_runs_with_the_best_effort_in_the_end(
    images: tuple[Image, Image],
) -> None:
    ended = run(next_one())
    old, new = (each.layers[1]["diff_id"] for each in images)
    cache = forms()
    for wanted in (Wanted(ZSTD, new, quality=BEST), Wanted(DELTA, new, old, BEST)):
        assert cache.has(wanted), log_of(ended)
    assert not cache.has(Wanted(ZSTD, new, quality=QUICK)), "what is better replaces it"
    assert "compressed layers: 2, differences: 2" in ended.message or "compressed layers: 2" in ended.message


def test_it_waits_for_a_deploy(images: tuple[Image, Image], fleet: Fleet) -> None:
    operation = next_one()
    other = operations.enqueue(
        kind="deploy", project=fleet.project, actor=fleet.alice, title="A deploy", params={}, targets=[], holds=[]
    )
    parked = run(operation)
    assert (parked.state, parked.parked_reason) == ("parked", "a deploy goes first")
    assert forms().size() == 0
    operations.cancel(other, actor=fleet.alice)
    Operation.objects.filter(pk=operation.pk).update(resume_at=timezone.now() - timedelta(seconds=1))
    assert run(operation).state == "succeeded"


def test_a_cancel_keeps_what_is_made_and_it_is_not_begun_again(
    images: tuple[Image, Image], fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = next_one()
    real: Any = convert._make

    def make(context: Any, cache: Any, wanted: Wanted) -> bool:
        made: bool = real(context, cache, wanted)
        operations.cancel(Operation.objects.get(pk=operation.pk), actor=fleet.alice)
        assert context.stop.wait(30)
        return made

    monkeypatch.setattr(convert, "_make", make)
    ended = run(operation)
    assert ended.state == "cancelled"
    assert forms().size() > 0
    following = due()
    assert following is None or following.params != operation.params


def test_what_cannot_be_made_is_said_and_the_rest_is_made(images: tuple[Image, Image]) -> None:
    new = images[1].layers[1]["diff_id"]
    operation = next_one()
    path = forms().store.blobs.path(images[0].layers[1]["diff_id"])
    path.rename(path.with_suffix(".away"))
    ended = run(operation)
    assert ended.state == "succeeded"
    assert "not in the store" in log_of(ended)
    assert forms().find(ZSTD, new) is not None


def test_an_image_that_was_removed_meanwhile_needs_nothing(images: tuple[Image, Image]) -> None:
    operation = next_one()
    images[1].delete()
    assert run(operation).state == "succeeded"


def test_old_images_are_left_alone(images: tuple[Image, Image]) -> None:
    Image.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert due() is None


def test_forms_of_layers_that_left_the_store_are_removed(images: tuple[Image, Image]) -> None:
    run(next_one())
    new = images[1].layers[1]["diff_id"]
    cache = forms()
    assert cache.find(ZSTD, new) is not None
    cache.store.blobs.path(new).unlink()
    convert.forget()
    assert cache.find(ZSTD, new) is None


def test_on_a_full_disk_nothing_is_made_in_advance_and_the_reason_is_said_once(
    images: tuple[Image, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms_make, "RESERVE", 2**62)
    ended = run(next_one())
    assert ended.state == "succeeded"
    assert log_of(ended).count("no layer is converted") == 1


@pytest.mark.parametrize(
    ("partial", "tools", "least"),
    [(False, [], None), (True, ["curl", "zstd", "skopeo"], DELTA_LIMIT + 1), (True, ["curl"], 0)],
)
def test_layers_are_made_in_chunks_only_where_no_differences_can_be_had(
    images: tuple[Image, Image], partial: bool, tools: list[str], least: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "can_chunk", lambda: True)
    node = Node.objects.get()
    facts = node_facts({}) | {"partial_pulls": partial, "tools": tools}
    Reading.objects.create(node=node, taken_at=timezone.now(), facts=facts)
    chunks = convert.chunks_from(images[1])
    assert chunks == least
    kinds = {wanted.kind for wanted in convert.wanted_forms(images[1], [images[0]], chunks)}
    assert (CHUNKED in kinds) == (least == 0)
