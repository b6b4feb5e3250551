"""An image that is pushed to a node: in the form that suits, on from where it was cut, plainer where that fails."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from deployments.execution import stage_image, transfer_task
from deployments.execution.pushing import AT_ONCE, image_of
from deployments.models import Node
from deployments.models.image_store import store
from deployments.oci.forms import DELTA, ZSTD, Wanted
from deployments.services import deploys
from ffsweb.operations.models import OperationTarget
from tests.deployments.fleet import log_of, run
from tests.deployments.push_site import RANDOM, Site, good, slow
from tests.deployments.test_pushing import Run, give, taken
from tests.oci.images import layer, member, tar
from tests.oci.test_forms import some_layer


def test_one_changed_file_travels_as_a_difference(site: Site) -> None:
    slow(site.row)
    ended = good(site.deploy())
    (request,) = site.held.requests
    assert (request["way"], [blob["form"] for blob in request["blobs"]]) == ("fetch", ["delta"])
    assert "port" not in request, "it rides along, so that nothing is asked for"
    found = site.evidence(ended)
    assert found["image bytes"] < 1000
    assert found["of bytes"] == len(site.base) + len(site.new)
    assert found["image"] == "fetched"
    log = log_of(ended)
    assert "layers to send: 1." in log
    assert "as a difference" in log
    assert "the plan said" in log
    target = OperationTarget.objects.get(operation=ended)
    assert target.bytes_done == target.bytes_total > 0


def test_a_difference_that_is_too_large_to_ride_along_is_asked_for(site: Site) -> None:
    slow(site.row)
    noise = random.Random(11).randbytes(40_000)
    good(site.deploy(site.image("wide", site.base, site.old[:-1024] + tar([member("app/noise", noise)]))))
    (request,) = site.held.requests
    (blob,) = request["blobs"]
    assert (blob["form"], "rides" in blob, "port" in request) == ("delta", False, True)
    assert site.held.received == blob["size"] > 40_000


def test_a_change_goes_without_what_it_would_be_packed_against_when_the_disk_has_changed_that(site: Site) -> None:
    slow(site.row)
    plan = site.plan()
    path = store().blobs.path(site.first.image.image_id)
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))
    (call,) = [call for call in site.node.fake.calls if "stage-image" in call.argv]
    assert "--from" not in call.argv


def test_a_node_whose_program_is_older_gets_compressed_layers_and_the_plan_says_why(site: Site) -> None:
    slow(site.row)
    site.held.older = True
    plan = site.plan()
    assert "the node's ffs-node is older; upgrade it" in plan.parsed().targets[0].layers.estimate.why
    good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))
    assert [request["way"] for request in site.held.requests] == ["pull"]


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


def test_a_push_that_waits_for_its_node_keeps_no_other_from_sending(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = image_of(site.row.pk, Run())  # type: ignore[arg-type]
    real, said = stage_image._Push._log, threading.Event()
    free: list[int] = []

    def log(push: Any, text: str, stream: str = "info") -> None:
        real(push, text, stream)
        if text.startswith("Another image is on its way to this node"):
            said.set()

    def look_and_end() -> None:
        if said.wait(60):
            turns = taken()
            free.append(len(turns))
            give(turns)
        other.__exit__(None, None, None)

    monkeypatch.setattr(stage_image._Push, "_log", log)
    plan = site.plan()
    other.__enter__()
    beside = threading.Thread(target=look_and_end)
    beside.start()
    good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))
    beside.join()
    assert free == [AT_ONCE]


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
    # Small differences are packed once more on the way, together with the image's description.
    assert found["image bytes"] < estimate.bytes + 1000


def test_a_node_that_was_slow_before_is_given_more_time_by_the_plan(site: Site) -> None:
    seconds = []
    for strength in (None, 0.1):
        Node.objects.filter(pk=site.row.pk).update(strength=strength)
        site.service.refresh_from_db()
        seconds.append(site.plan().parsed().targets[0].layers.estimate.seconds)
    assert seconds[1] > 3 * seconds[0]


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


def test_a_form_that_the_disk_has_changed_is_made_again_and_never_leaves(site: Site) -> None:
    site.held.tools = []
    wanted = Wanted(ZSTD, site.second.image.layers[1]["diff_id"])
    form = transfer_task.forms().make(wanted, threading.Event())
    data = form.path.read_bytes()
    form.path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    good(site.deploy())
    assert len(site.held.requests) == 1
    assert form.path.read_bytes() == data


def test_a_layer_that_the_disk_has_changed_ends_the_deploy_before_a_byte_of_it_leaves(site: Site) -> None:
    site.held.tools = []
    Node.objects.filter(pk=site.row.pk).update(link_rate=500_000_000, link_round_trip=0.0002)
    path = store().blobs.path(site.second.image.layers[1]["diff_id"])
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    ended = site.deploy()
    assert ended.state == "failed"
    assert "damaged" in ended.message
    assert site.held.received == 0
