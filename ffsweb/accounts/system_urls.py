"""``/system/``: the people of the installation."""

from __future__ import annotations

from django.urls import path

from .views import people

app_name = "system"

urlpatterns = [
    path("", people.home, name="home"),
    path("people/", people.listing, name="people"),
    path("invite/", people.invite, name="invite"),
    path("links/<int:link>/withdraw/", people.withdraw, name="link_withdraw"),
    path("people/<str:username>/", people.person, name="person"),
    path("people/<str:username>/password-link/", people.password_link, name="password_link"),
    path("people/<str:username>/<str:verb>/", people.act, name="act"),
]
