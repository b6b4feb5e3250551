"""A project's settings: what its ``.env`` holds."""

from __future__ import annotations

from base64 import b64encode

from django.core.validators import RegexValidator
from django.db import models

from ffsweb.accounts.models import Project

setting_name = RegexValidator(
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", "A setting's name has letters, digits and underscores only."
)


def setting_context(project_pk: int, name: str) -> str:
    """What a sealed value is bound to, so that it opens under no other name and in no other project."""
    return f"setting:{project_pk}:{name}"


class Setting(models.Model):
    """One value: plain (shown, written into the unit) or sealed for the worker (shown as set or not)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="settings")
    name = models.CharField(max_length=128, validators=[setting_name])
    plain = models.BooleanField(default=False)
    value = models.TextField(blank=True, help_text="The value of a plain setting; empty for a sealed one.")
    sealed = models.BinaryField(null=True, help_text="The value of a sealed setting.")
    version = models.PositiveIntegerField(default=1, help_text="Counts the changes of the value.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="one_setting_per_name")]

    def __str__(self) -> str:
        return self.name

    def sealed_base64(self) -> str:
        """The sealed value as text, as a release keeps it."""
        return b64encode(bytes(self.sealed or b"")).decode()
