"""The app of what every part of the API stands on."""

from __future__ import annotations

from django.apps import AppConfig


class RestConfig(AppConfig):
    """It knows people, projects and operations, and no fleet."""

    name = "ffsweb.rest"
    label = "rest"
