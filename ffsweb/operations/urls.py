"""The addresses of operations, below ``/operations/``."""

from __future__ import annotations

from django.urls import path

from . import live_views, views

app_name = "operations"
urlpatterns = [
    path("", views.list_, name="list"),
    path("<int:operation_id>/", views.detail, name="detail"),
    path("<int:operation_id>/events", live_views.events, name="events"),
    path("<int:operation_id>/lines", views.lines, name="lines"),
    path("<int:operation_id>/text", views.text, name="text"),
    path("<int:operation_id>/cancel", views.cancel, name="cancel"),
    path("<int:operation_id>/answer", views.answer, name="answer"),
]
