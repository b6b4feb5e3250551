"""The power goes in each phase of a deploy: the node boots again, settles on one release, and the row agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.models import Release
from tests.deployments.fleet import Fleet, log_of
from tests.lab.deployed import Site, Started, get, wait_for
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

PHASES = {
    "while it is staged": "Pushing the image",
    "in the switch": "Keeping the old unit",
    "while the new release starts": "Restarting ffs-www.service",
    "in the gate": "Switching to release",
}


@pytest.fixture
def site(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Site]:
    made = Site(Fleet(), lab, "power", sample_image, start_timeout=60, settle=6)
    yield made
    made.node.remove()


def cut_power(site: Site) -> None:
    site.node.kill()
    site.node.start()


def settled(site: Site, releases: dict[str, Release]) -> str:
    """The version that answers after the boot, which unit, pending mark and row agree with."""
    wait_for(lambda: not site.pending() and bool(get(site.node)), "the node answers with one release", 60)
    version = str(get(site.node)["version"])
    assert site.installed() == str(releases[version].number)
    wait_for(lambda: site.read().state == "succeeded", "the node is read", 30)
    assert site.live == releases[version]
    return version


def test_a_power_cut_in_any_phase_leaves_the_old_release_or_the_new_one(site: Site) -> None:
    releases = {version: site.release(version) for version in ("1.0", "2.0")}
    site.go_live(releases["1.0"])
    runs = "1.0"
    for phase, line in PHASES.items():
        wanted = "2.0" if runs == "1.0" else "1.0"
        started = Started(site.request(releases[wanted]))
        started.until_log(line)
        if phase == "in the gate":
            wait_for(lambda version=wanted: get(site.node)["version"] == version, "the new release answers", 60)
        cut_power(site)
        ended = started.end(240)
        ran, runs = runs, settled(site, releases)
        told = f"{phase}: {ended.state}: {ended.message}\n{log_of(ended)}"
        assert "did not expect" not in told
        assert ended.state in {"succeeded", "rolled_back", "failed"}, told
        assert runs == (wanted if ended.state == "succeeded" else ran), told
