"""Settings for workers that know the fleet and its ticks, with the tests' kinds and a short lease."""

from __future__ import annotations

from ffsweb.settings import *  # noqa: F403
from ffsweb.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.operations.sample"]
OPERATIONS_LEASE = 3.0
