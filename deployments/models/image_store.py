"""Where the installation keeps its images."""

from __future__ import annotations

from django.conf import settings

from deployments.oci.store import Store


def store() -> Store:
    """The one image store of the installation."""
    return Store(settings.DATA / "oci")
