"""A deploy that is cancelled, or whose node loses its cable: it ends on exactly one release, and the row agrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.execution import deploy_target, way_back
from deployments.models import Service
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from tests.deployments.fleet import Fleet, log_of
from tests.lab.deployed import UNTOUCHED, Site, Started, get, wait_for
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

A_FEW_SECONDS = 15
"""Of which five are the settle window of the release that runs again: going back is watched like going forward."""


@pytest.fixture
def make_site(
    lab: Lab, sample_image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Site]]:
    """Sites of one project, by the names of their nodes; they and the dashboard wait for each other less long."""
    monkeypatch.setattr(deploy_target, "CONFIRM_MARGIN", 30)
    for module in (deploy_target, way_back):
        monkeypatch.setattr(module, "INSIST", 12.0)
    made: list[Site] = []

    def make(name: str) -> Site:
        fleet = made[0].fleet if made else Fleet()
        made.append(Site(fleet, lab, name, sample_image, start_timeout=15, settle=5))
        return made[-1]

    yield make
    for site in made:
        site.node.remove()


def settled(site: Site) -> str:
    """The one release that a node has settled on: installed, not pending, and what answers."""
    assert not site.pending()
    version = get(site.node)["version"]
    assert {"1.0": "1", "2.0": "2"}[version] == site.installed()
    assert site.read().state == "succeeded"
    assert site.live is not None
    assert str(site.live.number) == site.installed()
    return site.installed()


def cancel(started: Started, site: Site) -> tuple[Operation, float]:
    """The operation as it ended, and within how many seconds."""
    began = time.monotonic()
    operations.cancel(started.operation, actor=site.fleet.alice)
    return started.end(60), time.monotonic() - began


def test_a_cancel_is_followed_within_seconds_and_says_what_runs(make_site: Callable[[str], Site]) -> None:
    site = make_site("cancel")
    first = site.release("1.0")

    # While the image is pushed, and nothing ran before.
    started = Started(site.request(first))
    started.until_bytes()
    ended, seconds = cancel(started, site)
    assert (ended.state, ended.message) == ("cancelled", f"It was cancelled. {UNTOUCHED} Nothing ran before it.")
    assert seconds < A_FEW_SECONDS
    assert site.container() == ("", "")

    # What was staged half is no obstacle.
    site.go_live(first)
    container = site.container()

    # While the image of another release is pushed.
    second = site.release("2.0")
    started = Started(site.request(second))
    started.until_log("Pushing the image")
    ended, seconds = cancel(started, site)
    assert ended.state == "cancelled", ended.message
    assert seconds < A_FEW_SECONDS
    if UNTOUCHED in ended.message:
        assert ended.message.endswith("Release 1 still runs.")
        assert site.container() == container
    assert settled(site) == "1"

    # While the gate watches.
    started = Started(site.request(second))
    started.until_log("Switching to release 2")
    wait_for(lambda: get(site.node)["version"] == "2.0", "release 2 answers", 30)
    ended, seconds = cancel(started, site)
    assert (ended.state, ended.message) == ("cancelled", "It was cancelled. Release 1 runs again.")
    assert seconds < A_FEW_SECONDS
    assert settled(site) == "1"

    # And nothing of it is in the way of the next one.
    site.go_live(second)
    assert settled(site) == "2"


def test_a_node_that_is_cut_while_it_is_staged_keeps_its_release_and_takes_the_next_deploy(
    make_site: Callable[[str], Site],
) -> None:
    site = make_site("cut-stage")
    first = site.release("1.0")
    started = Started(site.request(first))
    started.until_bytes()
    site.node.cut()
    ended = started.end(150)
    assert ended.state == "failed", ended.message
    assert ended.message.endswith(UNTOUCHED)
    assert "did not expect" not in log_of(ended)
    assert site.container() == ("", "")
    site.node.heal()
    wait_for(lambda: site.read().state == "succeeded", "the node answers again", 30)
    site.go_live(first)
    assert settled(site) == "1"


def test_a_short_cut_in_the_gate_is_outlasted(make_site: Callable[[str], Site]) -> None:
    site = make_site("cut-short")
    site.go_live(site.release("1.0"))
    started = Started(site.request(site.release("2.0")))
    started.until_log("Switching to release 2")
    wait_for(lambda: get(site.node)["version"] == "2.0", "release 2 answers", 30)
    site.node.cut()
    time.sleep(6)
    site.node.heal()
    ended = started.end()
    assert ended.state == "succeeded", f"{ended.message}\n{log_of(ended)}"
    assert settled(site) == "2"


def test_nodes_that_are_cut_in_the_switch_or_in_the_gate_settle_on_one_release_by_themselves(
    make_site: Callable[[str], Site],
) -> None:
    """Both at once, because each waits for the node's deadline."""
    switching, watched = make_site("cut-switch"), make_site("cut-gate")
    first = switching.release("1.0")
    for site in (switching, watched):
        site.go_live(first)
    # The cut has to come before the gate opens, also on a machine that is slow to look.
    Service.objects.filter(pk=watched.service.pk).update(settle=20)
    second = switching.release("2.0")
    starteds = [Started(site.request(second)) for site in (switching, watched)]

    def cut_in_the_gate() -> None:
        wait_for(lambda: get(watched.node)["version"] == "2.0", "release 2 answers", 90)
        watched.node.cut()

    with ThreadPoolExecutor(1) as pool:  # beside the other: on a busy machine either may be first
        gate = pool.submit(cut_in_the_gate)
        starteds[0].until_log("Restarting ffs-www.service")
        switching.node.cut()
        gate.result()
    for site, started in zip((switching, watched), starteds, strict=True):
        ended = started.end(240)
        assert ended.state == "needs_hands", f"{ended.message}\n{log_of(ended)}"
        assert f"www@{site.name} could not be read at the end" in ended.message
        assert "sudo ffs-node cancel --service www --op" in ended.message
        assert site.live == first
    for site in (switching, watched):
        goes_on_by_itself(site)
        assert settled(site) == "1"
        site.go_live(second)


def goes_on_by_itself(site: Site) -> None:
    """The node knows nothing of all that: it waited for a confirmation that did not come."""
    wait_for(lambda: not site.pending(), f"{site.name} goes back", 150)
    wait_for(lambda: site.unit() == "active", f"{site.name} runs", 60)
    site.node.heal()
    wait_for(lambda: site.read().state == "succeeded", "the node answers again", 30)
