"""The product's settings, with the plain view in front of its addresses."""

from __future__ import annotations

from ffsweb.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.viewers.naive"
