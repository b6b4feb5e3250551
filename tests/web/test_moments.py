"""When podman says that something was."""

from __future__ import annotations

import datetime as dt

import pytest

from deployments.core.moments import moment

THEN = dt.datetime(2026, 11, 24, 0, 35, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T00:35:09.094112345Z",
        "2026-11-24T00:35:09Z",
        "2026-11-24T01:35:09.094+01:00",
        "2026-11-24 01:35:09.094112345 +0100 CET",
        "2026-11-24 00:35:09 UTC",
        "2026-11-24 00:35:09",
    ],
)
def test_podmans_moments_are_understood(text: str) -> None:
    assert moment(text) == THEN


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-45T00:00:00Z", "0001-01-01 00:00:00 +2359"])
def test_what_is_no_moment_is_none(text: str | None) -> None:
    assert moment(text) is None
