"""The app of people, projects and roles."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, projects and who may do what in them."""

    name = "ffsweb.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to log-ins, and say what ffs doctor looks at."""
        from ffsweb.doctor import findings

        from . import doctor, receivers  # noqa: F401

        for check in doctor.checks():
            findings.register(check)
