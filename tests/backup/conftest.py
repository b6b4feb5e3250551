"""The fixtures of the fleet: a project with images, files, a node and a service."""

from __future__ import annotations

from tests.deployments.conftest import data, fleet, site

__all__ = ["data", "fleet", "site"]
