"""The worker is killed at every step of a deploy on three nodes: another one goes on, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.models import Release
from ffsweb.operations.models import Operation
from tests.deployments.fleet import log_of
from tests.lab.fleets import SABOTAGE, LabFleet
from tests.lab.killing import killed_again_and_again, marks_of
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1500)]

NODES = 3
DEATHS = 3
"""Workers that one operation costs; more than ffsweb.operations.limits.TAKEOVERS would end it."""


@pytest.fixture
def fleet(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[LabFleet]:
    made = LabFleet(lab, "kill", NODES, sample_image, start_timeout=60, settle=1)
    yield made
    made.remove()


def is_on(fleet: LabFleet, operation: Operation, release: Release, *, switches: int) -> None:
    """Each node runs this one release, the rows say so, and the node has switched so many times for the operation."""
    assert fleet.versions() == [f"{release.number}.0"] * NODES
    for site in fleet.sites:
        assert (site.installed(), site.pending(), site.live) == (str(release.number), False, release)
        records = site.node.exec(("ls", "/var/lib/ffs-node/ops")).check().out.split()
        mine = [name for name in records if f"-{operation.pk}." in name or f"-{operation.pk}-" in name]
        assert len(mine) == switches
        for name in mine:
            told = site.node.read_text(f"/var/lib/ffs-node/ops/{name}/switch.events")
            assert told.count("Replacing the unit") == 1
    numbers = list(operation.lines.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_worker_that_is_killed_at_any_step_leaves_a_deploy_that_another_one_finishes(fleet: LabFleet) -> None:
    releases = fleet.sites[0].release("1.0"), fleet.sites[0].release("2.0")
    for release in (*releases, releases[0]):
        whole = fleet.go_live(release)
    marks = len(marks_of(whole))
    assert marks >= 2 * 6 * NODES  # intent and evidence of preflight, stage, switch, gate, confirm and proof
    places, turn = set(range(1, marks + 1)), 0
    while places:
        turn += 1
        release, left = releases[turn % 2], sorted(places)
        ended, deaths = killed_again_and_again(fleet.request(release), places, deaths=DEATHS)
        met = sorted(set(left) - places)
        assert ended.state == "succeeded", f"killed at step writes {met}: {ended.message}\n{log_of(ended)}"
        assert ended.takeovers == deaths
        is_on(fleet, ended, release, switches=1)


def test_a_worker_that_is_killed_on_the_way_back_leaves_it_to_another_one(fleet: LabFleet) -> None:
    first, second = fleet.sites[0].release("1.0"), fleet.sites[0].release("2.0")
    fleet.go_live(first)
    fleet.sites[1].node.exec(("systemd-run", "--unit=saboteur", "sh", "-c", SABOTAGE)).check()
    going_forward = 2 * 4 * NODES  # preflight, stage, switch and gate
    places = {going_forward + 1 + more for more in range(2 * NODES + 2)}
    while places:
        left = sorted(places)
        ended, deaths = killed_again_and_again(fleet.request(second), places, deaths=2)
        met = sorted(set(left) - places)
        assert ended.state == "rolled_back", f"killed at {met}: {ended.message}\n{log_of(ended)}"
        assert ended.takeovers == deaths
        is_on(fleet, ended, first, switches=1)
