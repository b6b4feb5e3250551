"""The database's rows kept over several tests: a node that took long to make is used by a whole file of them."""

from __future__ import annotations

from django.apps import apps
from django.core import serializers
from django.db import transaction

OURS = ("accounts", "audit", "operations", "certificates", "deployments")


def dump() -> str:
    """All rows of this project's own applications."""
    models = [model for label in OURS for model in apps.get_app_config(label).get_models()]
    found = [row for model in models for row in model._base_manager.order_by("pk")]
    return str(serializers.serialize("json", found))


def load(text: str) -> None:
    """Put the rows of ``dump`` back into an empty database, under the keys that they had."""
    with transaction.atomic():  # references are looked at when it ends
        for row in serializers.deserialize("json", text):
            row.save()
