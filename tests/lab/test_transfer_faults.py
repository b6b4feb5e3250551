"""An image on its way to a real node: cut, killed and cancelled in the middle, and damaged on the disk."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from deployments.core.node_events import Answer
from deployments.oci.pacing import Pacer
from ffsweb.remote import RemoteError
from tests.lab.receiving import APP, APP_CHANGED, BASE, dashboard, diff_ids, empty, held, machine, pids
from tests.lab.transfers import Cutter, Dashboard, dense_layer
from tests.lab.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from deployments.core.transfer_values import Way
    from deployments.oci.forms_values import Kind
    from deployments.oci.store import ImportedImage
    from tests.lab.ffs_node_machine import Machine

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

__all__ = ["dashboard", "empty", "machine"]


def test_a_channel_that_breaks_is_taken_up_at_its_byte(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, dense_layer("dense", 24_000_000))
    chance = random.Random()
    cutters = [Cutter(chance.randrange(1_000_000, 20_000_000)) for _ in range(4)]
    pushed = dashboard.push(empty, image, way="fetch", cutter=cutters, pace=Pacer(20e6))
    pushed.answer.check()
    assert all(cutter.done for cutter in cutters)
    held(empty, image)
    size = sum(layer.size for layer in image.layers)
    assert pushed.bytes < size + 4 * 2_000_000, (pushed.bytes, size)


def test_an_image_arrives_through_a_connection_that_is_cut_again_and_again(
    empty: Machine, dashboard: Dashboard
) -> None:
    image = dashboard.image(BASE, dense_layer("again", 30_000_000))
    sent: Counter[str] = Counter()
    chance, cuts = random.Random(), 0
    size = sum(layer.size for layer in image.layers)
    while True:
        session = empty.connect()
        cutter = Cutter(chance.randrange(3_000_000, 9_000_000), session)
        try:
            pushed = dashboard.push(
                empty, image, way="fetch", session=session, cutter=[cutter], pace=Pacer(20e6), sent=sent
            )
            break
        except RemoteError:
            cuts += 1
            assert cuts < 30
        finally:
            session.close()
    pushed.answer.check()
    assert cuts >= 3
    assert pushed.answer.number("kept") > 15_000_000
    held(empty, image)
    assert sum(sent.values()) < size + cuts * 2_000_000


@pytest.mark.parametrize("kind", ["zstd", "chunked"])
def test_a_pull_that_is_cut_leaves_no_half_image_and_goes_on_with_whole_layers(
    empty: Machine, dashboard: Dashboard, kind: Kind
) -> None:
    image = dashboard.image(BASE, APP, dense_layer("pulled", 8_000_000))
    forms = dashboard.made(kind, *diff_ids(image))
    session = empty.connect()
    with pytest.raises(RemoteError):
        dashboard.push(empty, image, forms, session=session, cutter=[Cutter(6_000_000, session)], pace=Pacer(10e6))
    session.close()
    assert image.image_id not in empty.facts().image_ids
    dashboard.push(empty, image, forms).answer.check()
    held(empty, image)


@pytest.mark.parametrize("way", ["pull", "fetch"])
@pytest.mark.parametrize("victim", ["podman pull|curl -q", "ffs-node stage-image"])
def test_a_push_that_is_killed_leaves_no_half_image(
    empty: Machine, dashboard: Dashboard, way: Way, victim: str
) -> None:
    image = dashboard.image(BASE, dense_layer(f"killed-{way}", 20_000_000))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(dashboard.push, empty, image, way=way, session=empty.connect(), pace=Pacer(5e6))
        until("a process to kill", lambda: bool(pids(empty, victim)), timeout=30)
        time.sleep(1)
        for pid in pids(empty, victim):
            empty.node.exec(("kill", "-KILL", pid))
        if "ffs-node" not in victim:
            slow.result().answer.check()  # it is begun once more, in the same attempt
        else:
            assert not any(isinstance(event, Answer) for event in slow.result().events)
            # What the killed one left running held its locks; podman may have ended what it had begun.
            assert empty.root("podman", "system", "check", "--quick") == ""
            dashboard.push(empty, image, way=way).answer.check()
    held(empty, image)


def test_a_push_that_is_cancelled_ends_on_the_node_within_seconds(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(dense_layer("cancelled", 20_000_000))
    session = empty.connect()
    with pytest.raises(RemoteError):
        dashboard.push(
            empty, image, way="fetch", session=session, cutter=[Cutter(4_000_000, session)], pace=Pacer(5e6)
        )
    until("the push to end", lambda: not pids(empty, "curl -q|ffs-node stage-image"), timeout=30)
    assert empty.facts().fetched[image.image_id] > 1_000_000
    dashboard.push(empty, image, way="fetch").answer.check()
    held(empty, image)


# Damage.


def damage(machine: Machine, image: ImportedImage, at: int) -> Path:
    """The directory of the image's layer ``at``, as this machine sees it."""
    record = machine.root("cat", "/var/lib/containers/storage/overlay-layers/layers.json")
    rows: dict[str, str] = {row["diff-digest"]: row["id"] for row in json.loads(record)}
    return machine.node.root / "var/lib/containers/storage/overlay" / rows[image.layers[at].diff_id] / "diff"


@pytest.mark.parametrize("way", ["pull", "fetch"])
def test_an_image_with_a_damaged_layer_comes_again(empty: Machine, dashboard: Dashboard, way: Way) -> None:
    image = dashboard.image(BASE, APP)
    forms = dashboard.made("zstd", *diff_ids(image))
    dashboard.push(empty, image, forms, way=way).answer.check()
    shutil.rmtree(damage(empty, image, 0))
    repaired = dashboard.push(empty, image, forms, way=way)
    repaired.answer.check()
    assert "damaged" in repaired.texts
    assert repaired.bytes > 1000
    held(empty, image)


def test_an_image_that_no_operation_finished_is_read_through(empty: Machine, dashboard: Dashboard) -> None:
    image = dashboard.image(BASE, APP)
    forms = dashboard.made("zstd", *diff_ids(image))
    dashboard.push(empty, image, forms).answer.check()
    empty.root("podman", "untag", image.image_id[7:])
    fine = dashboard.push(empty, image, forms)
    assert fine.answer.check().ok
    assert fine.bytes == 0
    empty.root("podman", "untag", image.image_id[7:])
    file = damage(empty, image, 1) / "app/5"
    file.write_bytes(file.read_bytes()[:-5] + b"?????")
    dashboard.push(empty, image, forms).answer.check()
    held(empty, image)


def test_a_damaged_layer_below_a_new_image_comes_again(empty: Machine, dashboard: Dashboard) -> None:
    one, two = dashboard.image(BASE, APP), dashboard.image(BASE, APP_CHANGED)
    forms = dashboard.made("zstd", *diff_ids(one), *diff_ids(two))
    dashboard.push(empty, one, {key: forms[key] for key in diff_ids(one)}).answer.check()
    shutil.rmtree(damage(empty, one, 0))
    dashboard.push(empty, two, {key: forms[key] for key in diff_ids(two)}).answer.check()
    held(empty, two)
