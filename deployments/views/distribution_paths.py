"""Addresses within the registry that answers name. They are relative, so they hold behind every proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

if TYPE_CHECKING:
    from deployments.views.distribution_access import VisitorRequest


def path_of(request: VisitorRequest, rest: str) -> str:
    """The address of something in the repository that the request is about."""
    inner = "/".join(filter(None, (request.address.name, rest)))
    return reverse("registry_repository", args=[request.project.name, inner])
