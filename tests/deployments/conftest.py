"""The fleet's tests: each with a data directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from deployments.execution import connection, deploy_target, stage_image, transfer_cuts, way_back
from ffsweb.operations.stopping import process
from tests.deployments.fleet import Fleet
from tests.deployments.push_site import Site
from tests.deployments.rolling import Rolling
from tests.deployments.simulated import SimulatedNode


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory, empty: stores and uploads of other tests are not seen."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    monkeypatch.setattr(django_settings, "DATA", directory)
    return directory


@pytest.fixture
def fleet(transactional_db: None, data: Path) -> Iterator[Fleet]:
    """One project of alice's, and a data directory of its own."""
    yield Fleet()


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A node that runs one release; pauses are short."""
    site = Site(fleet, tmp_path)
    monkeypatch.setattr(connection, "connect", site.node.connect)
    monkeypatch.setattr(transfer_cuts, "PAUSES", (0.05,) * 5)
    monkeypatch.setattr(stage_image, "BUSY_PAUSE", 0.05)
    yield site
    process.stopping = False


@pytest.fixture
def rolling(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rolling]:
    nodes: dict[str, SimulatedNode] = {}
    monkeypatch.setattr(
        connection,
        "connect",
        lambda endpoint, *more, **options: nodes[endpoint.host].connect(endpoint, *more, **options),
    )
    made = Rolling(fleet, tmp_path, nodes)
    for module in (deploy_target, way_back):
        monkeypatch.setattr(module, "INSIST", 2.0)
    yield made
    process.stopping = False
