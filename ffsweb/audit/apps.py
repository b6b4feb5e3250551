"""The app of the audit log."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Every action, in a hash chain."""

    name = "ffsweb.audit"
    label = "audit"
