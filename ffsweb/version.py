"""Which version of ffsweb this is. Needs no Django."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def running_version() -> str:
    """The version that is installed here, or "unknown"."""
    try:
        return version("ffsweb")
    except PackageNotFoundError:
        return "unknown"
