"""The bytes that the planner expects of a partial pull are those that podman asks for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployments.core import node_commands
from deployments.oci import forms_make
from deployments.oci.toc import bytes_needed, read_toc
from tests.lab.ffs_node_machine import Machine, boot
from tests.lab.lab import Lab
from tests.lab.transfers import Dashboard, newer_skopeo, text_layer

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
