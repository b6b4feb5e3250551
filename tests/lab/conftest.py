"""The lab's fixtures, for the tests in this folder."""

from __future__ import annotations

from tests.lab.fixtures import (
    lab,
    node_factory,
    pytest_collection_finish,
    pytest_runtest_makereport,
    sample_image,
)

__all__ = ["lab", "node_factory", "pytest_collection_finish", "pytest_runtest_makereport", "sample_image"]
