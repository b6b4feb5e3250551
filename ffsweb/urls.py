"""Where every address of the dashboard leads, in the order of the navigation bar."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from ffsweb import health, metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/", include("ffsweb.accounts.project_urls")),
    path("", include("deployments.urls")),
    path("", include("deployments.registry_urls")),
    path("", include("certificates.urls")),
    path("operations/", include("ffsweb.operations.urls")),
    path("system/", include("ffsweb.accounts.system_urls")),
    path("", include("ffsweb.notify.urls")),
    path("", include("ffsweb.webhooks.urls")),
    path("", include("ffsweb.audit.urls")),
    path("", include("ffsweb.backup.urls")),
    path("account/", include("ffsweb.accounts.urls")),
    path("api/", include("ffsweb.api")),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "ffsweb.web.errors.bad_request"
handler403 = "ffsweb.web.errors.forbidden"
handler404 = "ffsweb.web.errors.not_found"
handler500 = "ffsweb.web.errors.server_error"
