"""The app of the outbox: mail of the installation, and who gets which."""

from __future__ import annotations

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    """Mail. It knows people, projects and operations, and no fleet."""

    name = "ffsweb.notify"
    label = "notify"

    def ready(self) -> None:
        """Say what is mailed and what Prometheus is told, and listen to the ends of operations."""
        from ffsweb.doctor import findings
        from ffsweb.operations.ending import end_hooks
        from ffsweb.web import metrics

        from . import doctor, ended, kinds
        from .metrics import outbox

        kinds.register(ended.KIND)
        end_hooks.append(ended.tell)
        metrics.register(outbox)
        for check in doctor.checks():
            findings.register(check)
