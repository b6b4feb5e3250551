"""The bytes that the planner expects of a partial pull are those that podman asks for."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deployments.core import node_commands
from deployments.core.transfer import plan_transfer
from deployments.core.transfer_values import Link, Transfer
from deployments.execution.transfer_task import Known, task_for
from deployments.models import Image
from deployments.oci import forms_make
from deployments.oci.store import ImportedImage
from deployments.oci.toc import bytes_needed, read_toc
from tests.lab.ffs_node_machine import Machine, boot
from tests.lab.lab import Lab
from tests.lab.transfers import DIRECTORY, Dashboard, newer_skopeo, text_layer
from tests.oci.images import member, tar

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SHAPES = [(), (5,), (3, 4, 90), tuple(range(0, 150, 2))]
"""Which of 150 files change."""


@pytest.fixture
def dashboard(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(newer_skopeo(tmp_path_factory.mktemp("bin"))), prepend=":")
        forms_make.can_chunk.cache_clear()
        yield Dashboard.at(tmp_path_factory.mktemp("dashboard"))
    forms_make.can_chunk.cache_clear()


@pytest.fixture
def machine(lab: Lab) -> Iterator[Machine]:
    machine = boot(lab, "chunks")
    machine.do(node_commands.setup(machine.fence))
    yield machine
    machine.close()
    machine.node.remove()


def test_what_a_partial_pull_fetches_is_what_its_table_says(machine: Machine, dashboard: Dashboard) -> None:
    held: frozenset[str] = frozenset()
    expected, sent = [], []
    for number, changed in enumerate(SHAPES):
        data = text_layer("app", files=150, size=40_000, seed=number // 3, changed=changed)
        image = dashboard.image(data)
        forms = dashboard.made("chunked", image.layers[0].diff_id)
        form = forms[image.layers[0].diff_id]
        with form.path.open("rb") as blob:
            toc = read_toc(blob, form.annotations)
        pushed = dashboard.push(machine, image, forms)
        pushed.answer.check()
        expected.append(bytes_needed(toc, held))
        sent.append(pushed.sent[form.digest])
        held |= toc.contents
    for planned, truth in zip(expected, sent, strict=True):
        assert abs(truth - planned) <= 0.02 * truth + 3000, (expected, sent)


def dense_files(count: int, size: int, changed: tuple[int, ...]) -> bytes:
    """A layer of files that do not pack; those in ``changed`` are others."""
    chances = (random.Random(f"{at} {at in changed}") for at in range(count))
    return tar([DIRECTORY, *(member(f"app/{at}", chance.randbytes(size)) for at, chance in enumerate(chances))])


def planned(machine: Machine, dashboard: Dashboard, image: ImportedImage) -> Transfer:
    """As for a node that lacks the programs that differences take."""
    facts = replace(machine.facts(), tools=frozenset({"curl"}))
    layers = [{"diff_id": layer.diff_id, "size": layer.size} for layer in image.layers]
    config = json.loads(json.dumps(image.config.as_json()))  # as the database gives it back
    row = Image(layers=layers, config=config, architecture=image.architecture)
    return plan_transfer(task_for(row, facts, Link(90e6, 0.001), [], Known(dashboard.forms)))


def test_from_push_to_push_unchanged_files_stay_home_where_no_differences_can_be_had(
    machine: Machine, dashboard: Dashboard
) -> None:
    sent, plans = [], []
    for changed in ((), (7,)):
        image = dashboard.image(dense_files(60, 40_000, changed))
        packed = dashboard.made("zstd", image.layers[0].diff_id)[image.layers[0].diff_id]
        forms = dashboard.made("chunked", image.layers[0].diff_id)
        plans.append(planned(machine, dashboard, image))
        pushed = dashboard.push(machine, image, forms)
        pushed.answer.check()
        sent.append(pushed.sent[forms[image.layers[0].diff_id].digest])
    assert [plan.layers[0].form for plan in plans] == ["chunked", "chunked"], [plan.why for plan in plans]
    assert "next one sends changed files alone" in plans[0].why
    assert sent[1] < packed.size / 20
    assert abs(sent[1] - plans[1].bytes) <= 0.02 * sent[1] + 3000
