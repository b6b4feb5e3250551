"""What a machine may lack, and where it must not: FFSWEB_TEST_REQUIRE turns these skips into failures."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

KNOWN = ("lab", "browser", "ignition", "postgres", "sshd", "podman")
"""Names of things that tests skip without. Each is a marker too."""


def required() -> frozenset[str]:
    """The names in FFSWEB_TEST_REQUIRE; a misspelt one is an error, or it would protect nothing."""
    names = frozenset(os.environ.get("FFSWEB_TEST_REQUIRE", "").replace(",", " ").split())
    unknown = names - set(KNOWN)
    if unknown:
        raise pytest.UsageError(f"FFSWEB_TEST_REQUIRE names {', '.join(sorted(unknown))}; known: {', '.join(KNOWN)}")
    return names


def lacking(name: str, reason: str) -> NoReturn:
    """Skip for want of ``name``, or fail where it is required."""
    assert name in KNOWN
    if name in required():
        pytest.fail(f"{name} is required here (FFSWEB_TEST_REQUIRE): {reason}")
    pytest.skip(reason)
