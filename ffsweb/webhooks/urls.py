"""Webhooks of a project, and those of the installation."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "webhooks"

_P, _S, _ONE = "projects/<str:project>/webhooks/", "system/webhooks/", "<int:endpoint>/"

urlpatterns = [
    path(_P, views.listing, name="project"),
    path(_P + "new/", views.create, name="new"),
    path(_P + _ONE, views.one, name="one"),
    path(_P + _ONE + "edit/", views.edit, name="edit"),
    path(_P + _ONE + "act/", views.act, name="act"),
    path(_P + _ONE + "remove/", views.remove, name="remove"),
    path(_P + _ONE + "deliveries/<int:delivery>/again/", views.again, name="again"),
    path(_S, views.system_listing, name="system"),
    path(_S + "new/", views.system_create, name="system_new"),
    path(_S + _ONE, views.system_one, name="system_one"),
    path(_S + _ONE + "edit/", views.system_edit, name="system_edit"),
    path(_S + _ONE + "act/", views.system_act, name="system_act"),
    path(_S + _ONE + "remove/", views.system_remove, name="system_remove"),
    path(_S + _ONE + "deliveries/<int:delivery>/again/", views.system_again, name="system_again"),
]
