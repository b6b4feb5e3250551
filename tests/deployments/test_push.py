"""An image that is pushed to a node: in the form that suits, on from where it was cut, plainer where that fails."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.execution import connection, stage_image, transfer_task
from deployments.models import HostKey, Image, Node, Service
from deployments.oci.forms import DELTA, ZSTD, Wanted
from deployments.services import deploys
from ffsweb.operations.models import Operation, OperationTarget, Step
from ffsweb.operations.stopping import process
from ffsweb.remote.fake import HOST_KEY
from tests.deployments.fleet import Fleet, log_of, run
from tests.deployments.simulated import SimulatedNode
from tests.oci.images import Picture, archive, layer, member, podman_members, tar
from tests.oci.test_forms import some_layer

TOOLS = ["curl", "zstd", "skopeo"]
RANDOM = tar([member("app/data", random.Random(7).randbytes(3_000_000))])


def slow(node: Node) -> None:
    """A line on which the fewest bytes count."""
    Node.objects.filter(pk=node.pk).update(link_rate=1_000_000, link_round_trip=0.08)


class Site:
    """A node that runs release 1; release 2 differs in one of 400 files of its second layer."""

    def __init__(self, fleet: Fleet, tmp_path: Path) -> None:
        self.fleet, self.path = fleet, tmp_path
        self.base = layer(etc_base="base")
        self.old, self.new = some_layer(1, files=400), some_layer(1, files=400, changed=200)
        self.first = fleet.release(self.image("one", self.base, self.old))
        self.second = fleet.release(self.image("two", self.base, self.new))
        self.row = fleet.node("node-a", "192.0.2.1")
        HostKey.objects.create(node=self.row, kind=HostKey.Kind.PINNED, public_key=HOST_KEY, fingerprint="SHA256:x")
        self.service = fleet.service(self.row, start_timeout=5, settle=1)
        self.node = SimulatedNode()
        self.held = self.node.held
        self.held.tools = list(TOOLS)
        self.node.install(self.first)
        self.held.hold(self.base, self.old)
        Service.objects.filter(pk=self.service.pk).update(live_release=self.first)

    def image(self, name: str, *layers: bytes, **config: Any) -> Image:
        path = self.path / f"{name}.tar"
        picture = Picture(layers=list(layers), extra={"created": f"2024-01-01T00:00:0{len(name)}Z"})
        picture.run |= config
        path.write_bytes(archive(podman_members(picture, tags=(f"localhost/app:{name}",))))
        return self.fleet.image(path)

    def plan(self, image: Image | None = None) -> Any:
        release = self.fleet.release(image) if image else self.second
        ended = self.fleet.read(self.row)
        assert ended.state == "succeeded", ended.message
        return deploys.preview(release=release, services=[self.service], actor=self.fleet.alice)

    def deploy(self, image: Image | None = None) -> Operation:
        return run(deploys.request_deploy(plan=self.plan(image), actor=self.fleet.alice))

    def evidence(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = Step.objects.get(operation=operation, name="stage", state="done").evidence
        return found


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(fleet, tmp_path)
    monkeypatch.setattr(connection, "connect", site.node.connect)
    monkeypatch.setattr(stage_image, "PAUSES", (0.05,) * 5)
    monkeypatch.setattr(stage_image, "BUSY_PAUSE", 0.05)
    yield site
    process.stopping = False


def good(operation: Operation) -> Operation:
    assert operation.state == "succeeded", f"{operation.message}\n{log_of(operation)}"
    return operation


def test_one_changed_file_travels_as_a_difference(site: Site) -> None:
    slow(site.row)
    ended = good(site.deploy())
    (request,) = site.held.requests
    assert (request["way"], [blob["form"] for blob in request["blobs"]]) == ("fetch", ["delta"])
    found = site.evidence(ended)
    assert found["image bytes"] < 5000
    assert found["of bytes"] == len(site.base) + len(site.new)
    assert found["image"] == "fetched"
    log = log_of(ended)
    assert "layers to send: 1." in log
    assert "as a difference" in log
    assert "the plan said" in log
    target = OperationTarget.objects.get(operation=ended)
    assert target.bytes_done == target.bytes_total > 0


def test_a_node_without_the_programs_gets_compressed_layers_by_a_manifest_of_its_own(site: Site) -> None:
    site.held.tools = ["curl"]
    ended = good(site.deploy())
    (request,) = site.held.requests
    assert request["way"] == "pull"
    assert request["manifest"] != site.second.image.manifest_digest
    packed = transfer_task.forms().find(ZSTD, site.second.image.layers[1]["diff_id"])
    assert packed is not None
    assert site.held.received == packed.size < len(site.new) / 2
    assert "lacks skopeo, zstd" in log_of(ended)


def test_an_image_whose_layers_are_all_held_costs_its_description(site: Site) -> None:
    ended = good(site.deploy(site.image("three", site.base, site.old, Labels={"new": "yes"})))
    assert site.held.received == 0
    assert site.evidence(ended)["image"] == "nothing was missing"
    assert site.evidence(ended)["image bytes"] < 2000


def test_a_node_that_cannot_use_a_difference_gets_the_layer_itself(site: Site) -> None:
    slow(site.row)
    site.held.layers[site.first.image.layers[1]["diff_id"]] = b"damaged, so that the difference does not fit"
    good(site.deploy())
    forms = [[blob["form"] for blob in request.get("blobs", [])] for request in site.held.requests]
    assert forms[0] == ["delta"]
    assert "delta" not in str(forms[1:])


@pytest.mark.parametrize("code", ["podman", "verify", "bad-input"])
def test_what_a_node_refuses_again_and_again_gets_plainer_until_it_is_the_layer_as_it_is(
    site: Site, code: str
) -> None:
    slow(site.row)
    site.held.refusals = [code] * 2
    ended = good(site.deploy())
    ways = [request["way"] for request in site.held.requests]
    assert ways == ["fetch", "pull", "pull"], log_of(ended)
    assert site.held.requests[-1]["manifest"] == site.second.image.manifest_digest


def test_a_node_that_refuses_everything_ends_the_deploy_with_its_words(site: Site) -> None:
    site.held.refusals = ["podman"] * 9
    ended = site.deploy()
    assert ended.state == "failed"
    assert "It was refused (podman)." in ended.message
    assert site.node.release() == 1


def test_a_busy_node_is_asked_again(site: Site) -> None:
    site.held.refusals = ["busy", "busy"]
    good(site.deploy())
    assert len(site.held.requests) == 3


@pytest.mark.parametrize("seed", range(3))
def test_cuts_at_random_bytes_lose_nothing(site: Site, seed: int) -> None:
    Node.objects.filter(pk=site.row.pk).update(link_rate=50_000, link_round_trip=0.08)
    big = site.image("big", site.base, RANDOM)
    chance = random.Random(seed)
    site.held.cuts = [chance.randrange(1, 700_000) for _ in range(4)]
    ended = good(site.deploy(big))
    assert [request["way"] for request in site.held.requests] == ["fetch"] * 5
    packed = transfer_task.forms().find(ZSTD, big.layers[1]["diff_id"])
    assert packed is not None
    assert site.held.received == packed.size, "a byte came twice"
    assert site.evidence(ended)["kept bytes"] > 0
    assert "were there from an attempt that was cut" in log_of(ended)


def test_after_a_cut_pull_the_node_fetches_so_that_another_cut_loses_nothing(site: Site) -> None:
    Node.objects.filter(pk=site.row.pk).update(link_rate=400_000_000, link_round_trip=0.0005)
    site.held.cuts = [100_000]
    good(site.deploy(site.image("big", site.base, RANDOM)))
    assert [request["way"] for request in site.held.requests] == ["pull", "fetch"]


def test_a_line_that_stays_dead_ends_the_deploy_and_nothing_was_touched(site: Site) -> None:
    site.held.cuts = [100] * 9
    ended = site.deploy(site.image("big", site.base, RANDOM))
    assert ended.state == "failed"
    assert "Nothing that runs was touched." in ended.message
    assert len(site.held.requests) == 6
    assert site.node.release() == 1


def test_a_form_that_is_removed_meanwhile_is_made_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(site.row)
    forms = transfer_task.forms()
    image = site.second.image
    made = forms.make(
        Wanted(DELTA, image.layers[1]["diff_id"], site.first.image.layers[1]["diff_id"]), threading.Event()
    )
    real = type(forms).use
    removed: list[Any] = []

    def use(self: Any, chosen: Any) -> Any:
        if not removed:
            removed.append(made)
            assert self.forget([]) == 1
        return real(self, chosen)

    monkeypatch.setattr(type(forms), "use", use)
    good(site.deploy())
    assert len(site.held.requests) == 1


def test_the_plan_says_what_the_push_then_sends(site: Site) -> None:
    slow(site.row)
    image = site.second.image
    forms = transfer_task.forms()
    forms.make(Wanted(DELTA, image.layers[1]["diff_id"], site.first.image.layers[1]["diff_id"]), threading.Event())
    plan = site.plan()
    (target,) = plan.parsed().targets
    estimate = target.layers.estimate
    assert (estimate.way, [layer.form for layer in estimate.layers]) == ("fetch", ["delta"])
    ended = good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))
    found = site.evidence(ended)
    assert found["planned bytes"] == estimate.bytes
    assert 0 <= found["image bytes"] - estimate.bytes < 3000, "but for the headers and the image's description"


def test_a_plan_stays_the_same_when_a_form_is_made_or_the_line_was_measured(site: Site) -> None:
    slow(site.row)
    plan = site.plan()
    image = site.second.image
    before = plan.parsed().targets[0].layers.estimate
    transfer_task.forms().make(
        Wanted(DELTA, image.layers[1]["diff_id"], site.first.image.layers[1]["diff_id"]), threading.Event()
    )
    Node.objects.filter(pk=site.row.pk).update(link_rate=50_000_000)
    assert not deploys.is_stale(plan)
    again = site.plan()
    assert again.hash == plan.hash
    assert again.parsed().targets[0].layers.estimate != before
    good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))


def test_a_transfer_that_is_large_enough_measures_the_line_and_a_small_one_does_not(site: Site) -> None:
    site.held.tools = []
    good(site.deploy())
    assert Node.objects.get(pk=site.row.pk).link_rate is None
    site.node.fake.round_trip = 0.25
    good(site.deploy(site.image("big", site.base, tar([member("app/x", random.Random(3).randbytes(20_000_000))]))))
    row = Node.objects.get(pk=site.row.pk)
    if row.link_rate is not None:  # it took long enough to tell
        assert row.link_rate > 1_000_000
        assert row.link_round_trip == 0.25


def test_a_limit_is_kept_and_is_not_taken_for_the_line(site: Site) -> None:
    site.held.tools = []
    Node.objects.filter(pk=site.row.pk).update(bandwidth=3_000_000)
    ended = good(site.deploy(site.image("big", site.base, RANDOM)))
    assert site.evidence(ended)["image seconds"] > 0.7
    assert Node.objects.get(pk=site.row.pk).link_rate is None


def test_two_images_that_share_a_layer_make_its_form_once(site: Site) -> None:
    site.held.tools = []
    shared = some_layer(9, files=200)
    images = [site.image(name, shared, layer(app_x=name)) for name in ("xx", "yyy")]
    for image in images:
        good(site.deploy(image))
    assert site.held.requests[0]["manifest"] != site.held.requests[1]["manifest"]
    forms = transfer_task.forms()
    entries = [path.name for path in (forms.directory / "entries").iterdir()]
    assert len([name for name in entries if images[0].layers[0]["diff_id"][7:] in name]) == 1
