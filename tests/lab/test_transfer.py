"""An image on its way to a real node: every way and form, the room for it, turns, and the secret in it."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core.node_events import Progress
from deployments.oci.pacing import Pacer
from deployments.oci.verified import verify_once
from tests.lab.receiving import APP, APP_CHANGED, BASE, dashboard, diff_ids, empty, held, machine, pids
from tests.lab.transfers import Dashboard, dense_layer, text_layer
from tests.lab.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from deployments.core.transfer_values import Way
    from tests.lab.ffs_node_machine import Machine

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

__all__ = ["dashboard", "empty", "machine"]


@pytest.mark.parametrize("health", [False, True])
@pytest.mark.parametrize(("way", "kind"), [("pull", ""), ("pull", "zstd"), ("fetch", ""), ("fetch", "zstd")])
def test_an_image_comes_whole_by_every_way(
    empty: Machine, dashboard: Dashboard, way: str, kind: str, *, health: bool
) -> None:
    image = dashboard.image(BASE, APP, health=health)
    forms = dashboard.made("zstd", *diff_ids(image)) if kind else {}
    pushed = dashboard.push(empty, image, forms, way=way)  # type: ignore[arg-type]
    pushed.answer.check()
    assert pushed.answer.string("way") == way
    assert pushed.answer.number("kept") == 0
    held(empty, image)
    if kind:
        assert pushed.bytes < 1.05 * sum(form.size for form in forms.values()) + 10_000
    again = dashboard.push(empty, image, forms, way=way)  # type: ignore[arg-type]
    assert again.bytes == 0


@pytest.mark.parametrize("health", [False, True])
def test_a_delta_sends_little_more_than_what_changed(empty: Machine, dashboard: Dashboard, *, health: bool) -> None:
    one, two = dashboard.image(BASE, APP, health=health), dashboard.image(BASE, APP_CHANGED, health=health)
    dashboard.push(empty, one, dashboard.made("zstd", *diff_ids(one)), way="pull").answer.check()
    forms = dashboard.made("delta", two.layers[1].diff_id, base=one.layers[1].diff_id)
    pushed = dashboard.push(empty, two, forms, way="fetch", held=(one.layers[0].diff_id,))
    pushed.answer.check()
    held(empty, two)
    assert pushed.bytes < 20_000, pushed.sent


@pytest.mark.parametrize("health", [False, True])
def test_a_small_change_comes_with_the_request_alone(empty: Machine, dashboard: Dashboard, *, health: bool) -> None:
    """Packed against the image that is there, and without one; nothing is asked for."""
    one, two = dashboard.image(BASE, APP, health=health), dashboard.image(BASE, APP_CHANGED, health=health)
    three = dashboard.image(BASE, APP_CHANGED, text_layer("more", files=3, size=300, seed=3), health=health)
    dashboard.push(empty, one, dashboard.made("zstd", *diff_ids(one)), way="pull").answer.check()
    forms = dashboard.made("delta", two.layers[1].diff_id, base=one.layers[1].diff_id)
    riding: dict[str, Any] = {"way": "fetch", "ride": True}
    second = dashboard.push(empty, two, forms, held=(one.layers[0].diff_id,), against=one, **riding)
    second.answer.check()
    held(empty, two)
    forms = dashboard.made("zstd", three.layers[2].diff_id)
    third = dashboard.push(empty, three, forms, held=diff_ids(two), **riding)
    third.answer.check()
    held(empty, three)
    assert (second.bytes, third.bytes) == (0, 0)


def test_what_rode_along_and_does_not_fit_is_told(empty: Machine, dashboard: Dashboard) -> None:
    """A layer that is damaged on its way is not made; of an image that is not there nothing is unpacked."""
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    dashboard.push(empty, one, dashboard.made("zstd", *diff_ids(one)), way="pull").answer.check()
    forms = dashboard.made("delta", two.layers[1].diff_id, base=one.layers[1].diff_id)
    (form,) = forms.values()
    content = form.path.read_bytes()
    form.path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    riding: dict[str, Any] = {"way": "fetch", "ride": True, "held": (one.layers[0].diff_id,)}
    try:
        assert dashboard.push(empty, two, forms, **riding).answer.code == "fetch"
    finally:
        form.path.write_bytes(content)
    assert dashboard.push(empty, two, forms, against=two, **riding).answer.code == "delta"
    assert two.image_id not in empty.facts().image_ids
    dashboard.push(empty, two, forms, against=one, **riding).answer.check()
    held(empty, two)


def test_facts_tell_what_decides_about_a_push(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, APP)
    dashboard.push(empty, image, dashboard.made("chunked", image.layers[1].diff_id)).answer.check()
    facts = empty.facts()
    assert facts.tools >= {"skopeo", "zstd", "curl"}
    assert facts.partial_pulls
    assert facts.cpus >= 1
    assert facts.fetched == {}
    assert facts.chunked == {image.layers[1].diff_id}


def test_a_partial_pull_sends_only_the_changed_files(empty: Machine, dashboard: Dashboard) -> None:
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    dashboard.push(empty, one, dashboard.made("chunked", *diff_ids(one))).answer.check()
    held(empty, one)
    forms = dashboard.made("chunked", two.layers[1].diff_id)
    pushed = dashboard.push(empty, two, forms, held=(two.layers[0].diff_id,))
    pushed.answer.check()
    held(empty, two)
    form = forms[two.layers[1].diff_id]
    assert pushed.bytes < form.size / 20


@pytest.mark.parametrize("kind", ["zstd", "delta"])
def test_layers_that_came_by_podman_load_are_not_sent_again(
    empty: Machine, dashboard: Dashboard, tmp_path: Path, kind: str
) -> None:
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    file = dashboard.archive(tmp_path / "one.tar", BASE, APP)
    empty.node.exec(("podman", "load"), stdin=file.read_bytes()).check()
    last = two.layers[1].diff_id
    forms = (
        dashboard.made("zstd", last) if kind == "zstd" else dashboard.made("delta", last, base=one.layers[1].diff_id)
    )
    way: Way = "fetch" if kind == "delta" else "pull"
    pushed = dashboard.push(empty, two, forms, way=way, held=(two.layers[0].diff_id,))
    pushed.answer.check()
    held(empty, two)
    assert pushed.bytes < forms[last].size * 1.02 + 5000


def test_a_delta_starts_from_a_layer_that_came_in_chunks(empty: Machine, dashboard: Dashboard) -> None:
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    dashboard.push(empty, one, dashboard.made("chunked", *diff_ids(one))).answer.check()
    forms = dashboard.made("delta", two.layers[1].diff_id, base=one.layers[1].diff_id)
    dashboard.push(empty, two, forms, way="fetch", held=(two.layers[0].diff_id,)).answer.check()
    held(empty, two)


def test_a_delta_that_does_not_fit_is_told_by_its_code(empty: Machine, dashboard: Dashboard) -> None:
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    last, old, base = two.layers[1].diff_id, one.layers[1].diff_id, one.layers[0].diff_id
    forms = dashboard.made("delta", last, base=old)
    gone = dashboard.push(empty, two, forms, way="fetch")
    assert gone.answer.code == "delta"
    dashboard.push(empty, one, dashboard.made("zstd", *diff_ids(one))).answer.check()
    other = {last: replace(forms[last], base=base)}
    wrong = dashboard.push(empty, two, other, way="fetch", held=(base,))
    assert wrong.answer.code == "delta", wrong.texts
    dashboard.push(empty, two, dashboard.made("zstd", last), way="fetch", held=(base,)).answer.check()
    held(empty, two)


def test_a_layer_that_the_node_does_not_hold_after_all_is_told(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, APP)
    forms = dashboard.made("zstd", *diff_ids(image))
    pushed = dashboard.push(empty, image, forms, way="fetch", held=(image.layers[0].diff_id,))
    assert (pushed.answer.code, "no longer holds" in pushed.answer.text) == ("podman", True)
    again = dashboard.push(empty, image, forms, way="fetch")
    assert again.answer.check().number("kept") == forms[image.layers[1].diff_id].size
    held(empty, image)


def test_a_blob_that_is_not_the_one_announced_is_refused(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, APP)
    forms = dashboard.made("zstd", *diff_ids(image))
    good = forms[image.layers[0].diff_id]
    bad = dashboard.store.directory.parent / "bad"
    data = good.path.read_bytes()
    bad.write_bytes(data)
    verify_once(bad, good.digest)
    times = bad.stat()  # the disk changes it later, and tells nobody
    bad.write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    os.utime(bad, ns=(times.st_atime_ns, times.st_mtime_ns))
    pushed = dashboard.push(empty, image, {**forms, good.diff_id: replace(good, path=bad)}, way="fetch")
    assert pushed.answer.code == "verify"
    assert pushed.sent[good.digest] > 1.9 * good.size, "it was fetched once more first"
    assert image.image_id not in empty.facts().image_ids
    dashboard.push(empty, image, forms, way="fetch").answer.check()
    held(empty, image)


def test_without_the_room_not_a_byte_comes(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, APP)
    other = f"/var/lib/ffs-node/fetch/{'0' * 64}/pieces"
    ways: tuple[Way, ...] = ("pull", "fetch")
    for way in ways:
        empty.root("mkdir", "-p", other)
        pushed = dashboard.push(empty, image, way=way, need=10**13)
        assert pushed.answer.code == "disk-full"
        assert pushed.bytes == 0
        # What was kept of other images made room first.
        assert empty.node.exec(("test", "-e", other)).status == 1
    dashboard.push(empty, image).answer.check()


def test_what_was_fetched_is_forgotten_after_a_week(empty: Machine, dashboard: Dashboard) -> None:
    old, young = (f"/var/lib/ffs-node/fetch/{digit * 64}" for digit in "12")
    empty.root("mkdir", "-p", old, young)
    empty.root("touch", "--date=8 days ago", old)
    empty.root("touch", "--date=6 days ago", young)
    dashboard.push(empty, dashboard.image(BASE)).answer.check()
    assert empty.root("ls", "/var/lib/ffs-node/fetch").split() == ["2" * 64]
    empty.root("rm", "-r", young)


@pytest.mark.parametrize("way", ["pull", "fetch"])
def test_two_pushes_that_share_layers_take_turns_and_send_them_once(
    empty: Machine, dashboard: Dashboard, way: Way
) -> None:
    shared = dense_layer("shared", 12_000_000)
    images = [
        dashboard.image(BASE, shared, text_layer(name, files=3, size=900, seed=3)) for name in ("left", "right")
    ]
    forms = [dashboard.made("zstd", *diff_ids(image)) for image in images]
    sent: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as pool:
        first, second = (
            pool.submit(
                dashboard.push,
                empty,
                image,
                made,
                way=way,
                service=service,
                session=empty.connect(),
                pace=Pacer(3e6),
                sent=sent,
            )
            for image, made, service in zip(images, forms, ("left", "right"), strict=True)
        )
        results = first.result(), second.result()
    for pushed in results:
        pushed.answer.check()
    assert sum("waits for its turn" in pushed.texts for pushed in results) == 1
    for image in images:
        held(empty, image)
    assert sum(sent.values()) < 13_000_000 + forms[0][images[0].layers[0].diff_id].size


@pytest.mark.parametrize("way", ["pull", "fetch"])
def test_the_token_is_in_no_process_list_log_or_file(empty: Machine, dashboard: Dashboard, way: Way) -> None:
    image = dashboard.image(dense_layer(f"token-{way}", 12_000_000))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(dashboard.push, empty, image, way=way, session=empty.connect(), pace=Pacer(3e6))
        until("the push to run", lambda: bool(pids(empty, "podman pull|curl -q")), timeout=30)
        seen = empty.root("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'")
        pushed = slow.result()
    pushed.answer.check()
    assert ("podman" if way == "pull" else "curl") in seen
    kept = empty.node.exec(("grep", "-rlF", pushed.token, "/var/lib/ffs-node", "/run/ffs-node", "/etc", "/var/tmp"))
    assert kept.out == ""
    assert pushed.token not in seen + empty.node.journal()
    if way == "fetch":
        assert [event.done for event in pushed.events if isinstance(event, Progress)][-1] > 0


def test_each_push_is_alive(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(dense_layer("alive", 9_000_000))
    pushed = dashboard.push(empty, image, pace=Pacer(1e6))
    pushed.answer.check()
    assert pushed.alive >= 1
