"""Disks that are too small, or full by the time they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.execution import stage
from deployments.execution.deploy_target import DeployTarget
from deployments.services import deploys
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, run
from tests.lab.deployed import UNTOUCHED, Site, get, one_message
from tests.lab.lab import Lab
from tests.lab.nodes import IMAGES

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def make_site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Callable[[int], Site]]:
    """A site whose node has a disk of so many megabytes for images."""
    made: list[Site] = []

    def make(megabytes: int) -> Site:
        disks = {IMAGES: megabytes}
        made.append(Site(Fleet(), lab, "disks", sample_image, start_timeout=20, settle=3, disks=disks))
        return made[-1]

    yield make
    for site in made:
        site.node.remove()


def images_on(site: Site) -> str:
    return site.node.exec(("podman", "images", "--quiet", "--no-trunc")).check().out


def test_a_disk_too_small_for_the_image_is_refused_by_the_plan_and_nothing_is_staged(
    make_site: Callable[[int], Site],
) -> None:
    site = make_site(150)
    plan = site.plan(site.release("1.0"))
    refusals = plan.parsed().targets[0].refusals
    assert any("Disk for images" in each and "too little is free" in each for each in refusals), refusals
    with pytest.raises(deploys.Refused, match="Nothing was started"):
        deploys.request_deploy(plan=plan, actor=site.fleet.alice)
    assert not Operation.objects.filter(kind="deploy").exists()
    assert images_on(site) == ""
    assert site.node.exec(("ls", "/var/lib/ffs/www/releases")).out == ""


def test_a_disk_that_fills_up_after_the_plan_fails_the_deploy_with_the_service_untouched(
    make_site: Callable[[int], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(700)
    first = site.release("1.0")
    site.go_live(first)
    second = site.release("2.0")
    container, images = site.container(), images_on(site)

    # Before the preflight: it reads the node again, and refuses.
    plan = site.plan(second)
    site.node.fill(leave=150_000_000)
    ended = run(deploys.request_deploy(plan=plan, actor=site.fleet.alice))
    one_message(ended, "failed", "too little is free")
    assert ended.message.endswith(UNTOUCHED)
    site.node.drain()

    # Between the preflight and the staging.
    plan = site.plan(second)
    plain = stage.stage

    def filled_up(target: DeployTarget) -> object:
        site.node.fill(leave=0)
        return plain(target)

    monkeypatch.setattr(stage, "stage", filled_up)
    ended = run(deploys.request_deploy(plan=plan, actor=site.fleet.alice))
    one_message(ended, "failed", "The disk is too full")
    assert ended.message.endswith(UNTOUCHED)
    assert (site.container(), images_on(site)) == (container, images)
    assert get(site.node)["version"] == "1.0"
    assert (site.installed(), site.live) == ("1", first)

    # With room again the same release goes live.
    monkeypatch.undo()
    site.node.drain()
    site.go_live(second)
    assert get(site.node)["version"] == "2.0"
