"""Nodes that come last for the processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.push.priority import last
from tests.lab import cgroups
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_nodes_come_last_for_the_processor_while_they_are_measured_and_no_longer(lab: Lab) -> None:
    node = lab.up("last", machine_file("last"))
    try:
        whole = cgroups.processes(cgroups.of_session(lab.session.id))

        def group() -> str:
            return Path(f"/proc/{whole[0]}/cgroup").read_text()

        before = group()
        with last(lab) as could:
            if not could:
                pytest.skip("there is no cpu controller on this machine")
            if "cpu" in (cgroups.top() / "cgroup.controllers").read_text().split():
                assert (cgroups.of_session(lab.session.id) / "cpu.weight").read_text() == "1\n"
            else:
                assert group() != before
                assert node.exec(("true",)).status == 0
        assert group() == before
    finally:
        node.remove()
