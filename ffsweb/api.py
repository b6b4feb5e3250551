"""The API: what its parts offer, below ``/api/v1/``, and its description."""

from __future__ import annotations

from django.urls import URLPattern

from certificates import api as certificates
from deployments.api import (
    changing,
    content,
    deploying,
    instances,
    nodes,
    plans,
    preparing,
    removing,
    upkeep,
    uploads,
)
from ffsweb.rest import deciding, describing, operations, projects
from ffsweb.rest.interface import Interface

VERSION = "1"

api = Interface(
    title="ffsweb",
    version=VERSION,
    description="What the pages of ffsweb do, for programs.",
    urls_namespace="api",
)
PARTS = (
    projects,
    nodes,
    instances,
    changing,
    upkeep,
    removing,
    content,
    plans,
    deploying,
    uploads,
    preparing,
    operations,
    deciding,
    certificates,
)
api.mount(part.router for part in PARTS)

urlpatterns: list[URLPattern] = [
    *api.addresses("v1/"),
    *uploads.addresses("v1/"),
    *describing.addresses(api),
]
