"""The app of webhooks."""

from __future__ import annotations

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Webhooks. It knows people, projects, operations and mail, and no fleet."""

    name = "ffsweb.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        """Listen to operations, and say what is mailed, counted and looked at."""
        from ffsweb.doctor import findings
        from ffsweb.notify import kinds
        from ffsweb.operations.ending import ask_hooks, end_hooks
        from ffsweb.web import metrics

        from . import doctor, operations, stopped
        from .metrics import deliveries

        metrics.register(deliveries)
        for check in doctor.checks():
            findings.register(check)
        kinds.register(stopped.KIND)
        end_hooks.append(operations.ended)
        ask_hooks.append(operations.asks)
