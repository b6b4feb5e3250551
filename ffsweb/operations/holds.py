"""The rows that say what operations have for themselves, and what they wait for."""

from __future__ import annotations

from django.db import models


class Hold(models.Model):
    """What an operation has for itself until it ends; deleted in the transaction that ends it."""

    resource = models.CharField(max_length=80, unique=True)
    operation = models.ForeignKey("operations.Operation", on_delete=models.CASCADE, related_name="holds")
    since = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.resource


class Wish(models.Model):
    """What a queued operation waits for. It holds nothing and cannot be claimed while it has wishes."""

    resource = models.CharField(max_length=80)
    operation = models.ForeignKey("operations.Operation", on_delete=models.CASCADE, related_name="wishes")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["resource", "operation"], name="one_wish_per_resource")]

    def __str__(self) -> str:
        return self.resource


class Turnstile(models.Model):
    """The one row that whoever takes, awaits or gives back resources locks first, so that they come one by one."""
