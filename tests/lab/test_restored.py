"""A dashboard is lost in the middle of a deploy and restored from a backup of that moment; the node is a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ffsweb.operations import restored
from ffsweb.operations.models import Fence, Operation
from tests.backup.losing import backup, lose_everything, restore_it
from tests.deployments.conftest import data
from tests.deployments.fleet import log_of, run
from tests.lab.deployed import get
from tests.lab.fleets import LabFleet
from tests.lab.killing import go_on, killed_at
from tests.lab.lab import Lab

__all__ = ["data"]

pytestmark = [pytest.mark.lab, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

STEPS = 6
"""Step writes of preflight, stage and switch: so far is the deploy when its worker is killed."""


@pytest.fixture
def fleet(lab: Lab, data: Path, sample_image: Callable[..., Path]) -> Iterator[LabFleet]:
    made = LabFleet(lab, "restored", 1, sample_image, start_timeout=60, settle=1)
    yield made
    made.remove()


def test_a_backup_from_the_middle_of_a_deploy_ends_on_one_release_and_the_old_dashboard_is_refused(
    fleet: LabFleet,
) -> None:
    site = fleet.sites[0]
    first, second = site.release("1.0"), site.release("2.0")
    fleet.go_live(first)
    operation = fleet.request(second)
    assert killed_at(operation, STEPS)
    file = backup()
    ended = go_on(operation)  # the old dashboard goes on: the backup knows nothing of that
    assert ended.state == "succeeded", log_of(ended)
    before = Fence.objects.get()

    lose_everything()
    restore_it(file)
    assert run(operation).state == "running"  # nothing is done before somebody says that the old one is off
    waiting = restored.restored()
    assert waiting is not None
    assert restored.confirm(waiting.at, actor=fleet.fleet.alice).epoch > before.epoch
    ended = go_on(Operation.objects.get(pk=operation.pk))
    assert ended.state == "succeeded", log_of(ended)
    assert (site.installed(), site.pending(), get(site.node)["version"]) == ("2", False, "2.0")
    assert site.live == second

    late = fleet.request(first)
    Fence.objects.update(epoch=before.epoch, counter=before.counter + 100)  # as the old one, which came back
    refused = run(late)
    assert refused.state in {"failed", "rolled_back"}, log_of(refused)
    assert "a newer operation has taken over. Nothing was changed." in log_of(refused)
    assert (site.installed(), get(site.node)["version"]) == ("2", "2.0")
