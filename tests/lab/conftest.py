"""The lab's fixtures, for the tests in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.fixtures import (
    lab,
    node_factory,
    pytest_collection_finish,
    pytest_runtest_makereport,
    sample_image,
)
from tests.lab.run import check

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["lab", "node_factory", "pytest_collection_finish", "pytest_runtest_makereport", "sample_image"]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private SSH key of the test run's own; the public half is beside it."""
    path = tmp_path_factory.mktemp("ssh") / "id"
    check(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)))
    return path
