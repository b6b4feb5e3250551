"""Settings of an installation whose leases run out soon: the tests kill workers, and wait for the next."""

from __future__ import annotations

from ffsweb.settings import *  # noqa: F403

OPERATIONS_LEASE = 9.0
