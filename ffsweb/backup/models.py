"""What was backed up, and what the self-test of it found."""

from __future__ import annotations

from django.db import models

KEPT = 100
"""Rows of backups that are remembered."""


class Backup(models.Model):
    """A backup that was made here, and how its last test went."""

    made_at = models.DateTimeField()
    place = models.CharField(max_length=1000, blank=True, help_text="The file; empty: standard output.")
    size = models.BigIntegerField(help_text="Bytes.")
    images = models.BooleanField(help_text="Whether images are in it.")
    tested_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, help_text="What the last test found; empty: all was well.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"backup of {self.made_at:%Y-%m-%d %H:%M} UTC"


class KeysCopy(models.Model):
    """That the keys were copied, and which: a ring that was rotated since needs another copy."""

    made_at = models.DateTimeField()
    keys = models.JSONField(default=list, help_text="Names of the private keys, such as worker/0001-….")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"copy of the keys of {self.made_at:%Y-%m-%d %H:%M} UTC"


class Watch(models.Model):
    """The one row about whether a restore would do: what is wrong, since when, and when it was looked last."""

    looked_at = models.DateTimeField(null=True)
    trouble = models.TextField(blank=True, help_text="What is wrong; empty: nothing.")
    since = models.DateTimeField(null=True, help_text="Since when.")
    tested = models.BigIntegerField(null=True, help_text="The backup that was the newest one then.")

    def __str__(self) -> str:
        return self.trouble or "all is well"
