"""The audit log, of the installation and of each project."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "audit"

urlpatterns = [
    path("system/audit/", views.everything, name="all"),
    path("system/audit/audit.csv", views.everything_csv, name="all_csv"),
    path("system/audit/chain/", views.chain, name="chain"),
    path("projects/<str:project>/audit/", views.of_project, name="project"),
    path("projects/<str:project>/audit/audit.csv", views.of_project_csv, name="project_csv"),
]
