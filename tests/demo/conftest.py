"""The lab's fixtures, for the demo's test: what a machine caches is built before a test's clock runs."""

from __future__ import annotations

from tests.lab.fixtures import lab, pytest_collection_finish, sample_image

__all__ = ["lab", "pytest_collection_finish", "sample_image"]
