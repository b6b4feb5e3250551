"""``/v2/``: the address that the distribution-spec fixes."""

from __future__ import annotations

from django.urls import path

from deployments.views import distribution

urlpatterns = [
    path("v2/", distribution.ping, name="registry_ping"),
    path("v2/token", distribution.token, name="registry_token"),
    path("v2/<str:project>/<path:rest>", distribution.repository, name="registry_repository"),
]
