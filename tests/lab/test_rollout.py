"""Ten nodes of which the seventh fails its gate: all ten run the old image again, and the report shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.core.rollout import Rollout
from tests.deployments.fleet import log_of, run
from tests.lab.fleets import SABOTAGE, LabFleet
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

TEN = 10


@pytest.fixture
def fleet(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[LabFleet]:
    made = LabFleet(lab, "ten", TEN, sample_image, start_timeout=60, settle=4)
    yield made
    made.remove()


def test_when_the_seventh_of_ten_nodes_fails_its_gate_all_ten_are_on_the_old_image_again(fleet: LabFleet) -> None:
    first, second = fleet.sites[0].release("1.0"), fleet.sites[0].release("2.0")
    fleet.go_live(first)
    assert fleet.versions() == ["1.0"] * TEN
    seventh = fleet.sites[6]
    seventh.node.exec(("systemd-run", "--unit=saboteur", "sh", "-c", SABOTAGE)).check()

    ended = run(fleet.request(second, Rollout("1, 5, 2, rest")))

    assert ended.state == "rolled_back", f"{ended.message}\n{log_of(ended)}"
    assert ended.message.startswith("www@ten-07: The gate did not open.")
    assert ended.message.endswith("Release 1 runs again on every node.")
    assert fleet.versions() == ["1.0"] * TEN
    for site in fleet.sites:
        facts = site.row.readings.first()
        assert facts is not None
        parsed = facts.parsed()
        assert parsed is not None
        www = parsed.services["www"]
        assert www.container is not None
        assert (www.release, www.container.image_id, www.pending) == (1, first.image.image_id, None)
        assert (site.installed(), site.live) == ("1", first)
    report = {target.label: (target.state, target.message) for target in ended.targets.all()}
    assert report == {
        f"www@ten-{number:02}": ("rolled_back", "Release 1 runs again.") for number in range(1, TEN + 1)
    }
    switched = set(ended.steps.filter(name="switch").values_list("target__label", flat=True))
    assert switched == {f"www@ten-{number:02}" for number in range(1, 9)}  # the last wave never began
    log = log_of(ended)
    assert "Wave 3 of 4: www@ten-07, www@ten-08." in log
    assert "Wave 4 of 4" not in log
