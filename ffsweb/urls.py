"""Where every address of the dashboard leads, in the order of the navigation bar."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic.base import RedirectView

from ffsweb.accounts.access import member_view

urlpatterns: list[URLPattern | URLResolver] = [
    path("", member_view(RedirectView.as_view(pattern_name="projects:list")), name="home"),
    path("projects/", include("ffsweb.accounts.project_urls")),
    path("system/", include("ffsweb.accounts.system_urls")),
    path("", include("ffsweb.audit.urls")),
    path("account/", include("ffsweb.accounts.urls")),
]

handler400 = "ffsweb.web.errors.bad_request"
handler403 = "ffsweb.web.errors.forbidden"
handler404 = "ffsweb.web.errors.not_found"
handler500 = "ffsweb.web.errors.server_error"
