"""The lab's fixtures, for the link to a real node."""

from __future__ import annotations

from tests.lab.fixtures import lab, pytest_collection_finish

__all__ = ["lab", "pytest_collection_finish"]
