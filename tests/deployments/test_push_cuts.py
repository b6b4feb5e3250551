"""A push that is cut goes on where it was, with the very bytes of which the node has a part."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from deployments.execution import transfer_task
from deployments.models import Image, Node
from deployments.oci.forms import BEST, DELTA, QUICK, ZSTD, Form, Wanted
from deployments.oci.forms_values import Quality
from deployments.services import deploys
from tests.deployments.fleet import log_of, run
from tests.deployments.push_site import RANDOM, Site, good, slow
from tests.oci.test_forms import some_layer


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


def test_a_line_that_is_cut_again_and_again_ends_with_the_image_as_long_as_something_comes(site: Site) -> None:
    Node.objects.filter(pk=site.row.pk).update(link_rate=50_000, link_round_trip=0.08)
    big = site.image("big", site.base, RANDOM)
    chance = random.Random(11)
    site.held.cuts = [chance.randrange(70_000, 250_000) for _ in range(15)]
    good(site.deploy(big))
    packed = transfer_task.forms().find(ZSTD, big.layers[1]["diff_id"])
    assert packed is not None
    assert len(site.held.requests) > 10
    assert site.held.received == packed.size, "a byte came twice"


def make(image: Image, quality: Quality) -> Form:
    return transfer_task.forms().make(Wanted(ZSTD, image.layers[1]["diff_id"], quality=quality), threading.Event())


def test_a_better_form_that_is_made_between_two_attempts_makes_no_byte_come_twice(site: Site) -> None:
    Node.objects.filter(pk=site.row.pk).update(link_rate=50_000, link_round_trip=0.08)
    big = site.image("big", site.base, RANDOM)
    quick = make(big, QUICK)

    def better() -> None:
        make(big, BEST)
        transfer_task.forms().tidy()

    site.held.cuts, site.held.while_staging = [400_000, 300_000], better
    good(site.deploy(big))
    sent = [blob["digest"] for request in site.held.requests for blob in request["blobs"]]
    assert sent == [quick.digest] * 3
    assert site.held.received == quick.size


def test_a_later_deploy_goes_on_with_the_form_of_which_the_node_has_a_part_and_the_plan_says_so(site: Site) -> None:
    Node.objects.filter(pk=site.row.pk).update(link_rate=50_000, link_round_trip=0.08)
    big = site.image("big", site.base, RANDOM)
    quick = make(big, QUICK)
    site.held.cuts = [800_000, *[10] * 6]
    assert site.deploy(big).state == "failed"
    make(big, BEST)
    plan = site.plan(big)
    estimate = plan.parsed().targets[0].layers.estimate
    assert estimate.bytes == quick.size - site.held.received
    assert "are on the node from a push that was cut" in estimate.why
    good(run(deploys.request_deploy(plan=plan, actor=site.fleet.alice)))
    assert site.held.received == quick.size


def test_a_cache_that_is_too_small_for_an_image_does_not_keep_its_deploy_from_ending(
    site: Site, settings: Any
) -> None:
    settings.FORMS_LIMIT = 1
    slow(site.row)
    layers = [some_layer(seed, files=100) for seed in range(20, 24)]
    site.held.tools = []
    good(site.deploy(site.image("four", *layers)))
    assert len(site.held.requests) == 1


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
