"""``/system/mail/`` for administrators, and the page of each project about its mail."""

from __future__ import annotations

from django.urls import path

from . import digest_views, project_views, views

app_name = "notify"

_N = "projects/<str:project>/notifications/"

urlpatterns = [
    path("system/mail/", views.mail, name="mail"),
    path("system/mail/test/", views.test, name="mail_test"),
    path("system/mail/remove/", views.remove, name="mail_remove"),
    path("system/mail/<int:message>/again/", views.again, name="mail_again"),
    path("account/digest/", digest_views.of_person, name="digest"),
    path(_N + "digest/", digest_views.of_project, name="project_digest"),
    path(_N, project_views.page, name="project"),
    path(_N + "addresses/", project_views.add, name="address_add"),
    path(
        _N + "addresses/<int:address>/remove/",
        project_views.drop,
        name="address_drop",
    ),
    path(_N + "people/<str:username>/", project_views.choose, name="choose"),
]
