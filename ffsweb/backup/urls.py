"""``/system/``: backups, and what a restored dashboard waits for."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "backup"

urlpatterns = [
    path("system/backups/", views.backups, name="backups"),
    path("system/restored/", views.old_is_off, name="old_is_off"),
]
