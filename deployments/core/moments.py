"""Moments as podman writes them."""

from __future__ import annotations

import datetime as dt
import re

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?")


def moment(text: str | None) -> dt.datetime | None:
    """When podman says that something was, in either of its forms, to the second; None if it says nothing readable.

    ``2026-11-24T00:35:09.094112345Z`` and ``2026-11-24 01:35:09.094112345 +0100 CET``; without a zone, UTC.
    """
    found = _MOMENT.match(text or "")
    if found is None:
        return None
    day, time, zone = found.groups()
    zone = "+00:00" if zone in {None, "Z", "UTC"} else zone
    try:
        return dt.datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
