"""An application that adds the scripted kind of operation to an installation."""

from __future__ import annotations

from django.apps import AppConfig

from ffsweb.operations import kinds


class LiveConfig(AppConfig):
    """Registers the kind."""

    name = "tests.browser"
    label = "browser_tests"

    def ready(self) -> None:
        from .live_kind import KIND, follow

        kinds.register(KIND, follow)
