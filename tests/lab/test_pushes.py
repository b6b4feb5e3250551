"""Deploys to a real node: the planner's way is the one taken, its bytes are the ones sent, and a cut goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.execution import stage_image, transfer_task
from deployments.models import Node as Row
from deployments.models import Service
from deployments.oci.forms import DELTA, Wanted
from deployments.services import deploys
from ffsweb.operations.models import Operation, Step
from tests.deployments.fleet import Fleet, log_of, run
from tests.lab.lab import Lab
from tests.lab.nodes import Node

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


class Site:
    """A node, and a release of version 1.0 of the sample."""

    def __init__(self, fleet: Fleet, node: Node, service: Service, sample: Callable[..., Path]) -> None:
        self.fleet, self.node, self.service, self.sample = fleet, node, service, sample
        self.first = fleet.release(fleet.image(sample("1.0")))

    def plan(self, release: Any) -> Any:
        assert self.fleet.read(self.service.node).state == "succeeded"
        return deploys.preview(release=release, services=[self.service], actor=self.fleet.alice)

    def deploy(self, plan: Any) -> Operation:
        ended = run(deploys.request_deploy(plan=plan, actor=self.fleet.alice))
        assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}\n{self.node.journal(lines=60)}"
        return ended

    def live(self) -> int:
        self.service.refresh_from_db()
        return self.service.live_release.number if self.service.live_release else 0

    def line(self, rate: int | None) -> None:
        Row.objects.filter(pk=self.service.node_id).update(link_rate=rate, link_round_trip=0.08)


def staged(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = Step.objects.get(operation=operation, name="stage", state="done").evidence
    return found


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    fleet = Fleet()
    row = fleet.node(address="192.0.2.1")
    service = fleet.service(row)
    fleet.settings("SAMPLE_MODE=ok\n", plain=["SAMPLE_MODE"])
    node = lab.up("pushes", fleet.machine_file(row))
    row.address = node.address
    row.save()
    try:
        yield Site(fleet, node, service, sample_image)
    finally:
        node.remove()


def test_each_change_travels_as_planned_and_no_more(site: Site) -> None:
    first = staged(site.deploy(site.plan(site.first)))  # over a line of unknown speed
    assert first["image"] == "pulled"
    assert first["image bytes"] < first["of bytes"] / 2
    # A thin line: one changed file is a difference of a few hundred bytes.
    site.line(1_000_000)
    image = site.fleet.image(site.sample("2.0"))
    pairs = zip(image.layers, site.first.image.layers, strict=True)
    changed = [(new["diff_id"], old["diff_id"]) for new, old in pairs if new["diff_id"] != old["diff_id"]]
    for new, old in changed:
        transfer_task.forms().make(Wanted(DELTA, new, old), threading.Event())
    release = site.fleet.release(image)
    plan = site.plan(release)
    estimate = plan.parsed().targets[0].layers.estimate
    ended = site.deploy(plan)
    assert site.live() == 2
    sent = staged(ended)
    assert (sent["image"], sent["planned bytes"]) == ("fetched", estimate.bytes), log_of(ended)
    assert sent["image bytes"] - estimate.bytes < 6000, "headers, the manifest and the configuration"
    # Back to what the node holds: nothing travels.
    back = site.deploy(site.plan(site.first))
    assert "image bytes" not in staged(back)
    assert site.live() == 1


def test_a_push_that_is_cut_goes_on_over_a_new_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.line(20_000)  # so thin that it is fetched
    plan = site.plan(site.first)
    estimate = plan.parsed().targets[0].layers.estimate
    assert estimate.way == "fetch", estimate.why
    real, cut = stage_image._Push._count, threading.Event()

    def count(push: Any, digest: str, more: int) -> None:
        real(push, digest, more)
        if push._meter.sent > 2_500_000 and not cut.is_set():
            cut.set()
            push._run.program().session.close()

    monkeypatch.setattr(stage_image._Push, "_count", count)
    ended = site.deploy(plan)
    assert cut.is_set()
    sent = staged(ended)
    assert sent["kept bytes"] > 0, log_of(ended)
    assert sent["image bytes"] < sent["planned bytes"] * 1.1 + 2_000_000, log_of(ended)
    assert site.live() == 1
