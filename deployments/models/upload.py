"""Uploads that come in parts and may take days: what is known of each besides its bytes."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from deployments.oci.partfile import arrived
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation

from .storable import storable_text

KEPT = timedelta(days=7)
"""How long an unfinished upload waits for its next part, and an ended one for somebody who asks how it ended."""


def uploads_directory() -> Path:
    """Where the bytes are, one file for each upload."""
    path: Path = settings.DATA / "uploads"
    return path


def shown_name(name: str | None) -> str:
    """A file's name as pages and logs show it: its last part and end, without what could disguise it."""
    return re.sub(r"[^\w.+-]", "_", Path(name or "archive").name)[-120:]


def _key() -> str:
    return secrets.token_hex(16)


def _expiry() -> datetime:
    return timezone.now() + KEPT


class UploadQuerySet(models.QuerySet["Upload"]):
    """Sets of uploads."""

    def unfinished(self) -> UploadQuerySet:
        """Those that wait for parts, or for the sum that ends them."""
        return self.filter(state=Upload.State.OPEN)

    def expired(self) -> UploadQuerySet:
        """Those whose time is over, in any state."""
        return self.filter(expires_at__lt=timezone.now())


class Upload(models.Model):
    """One upload. Its bytes are in ``path``, whose size alone says how far it is; open → taken or refused."""

    class State(models.TextChoices):
        """``taken``: the worker has it, or had; ``refused``: its sum was wrong, and the file is gone."""

        OPEN = "open"
        TAKEN = "taken"
        REFUSED = "refused"

    class What(models.TextChoices):
        """What is in it."""

        IMAGE = "image"
        FILES = "files"

    key = models.CharField(max_length=32, unique=True, default=_key, help_text="In its address, and its file's name.")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="uploads")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    what = models.CharField(max_length=5, choices=What.choices)
    name = models.CharField(max_length=255, help_text="Of the file where it comes from, as its owner will know it.")
    size = models.BigIntegerField(help_text="Bytes of the whole file.")
    modified = models.BigIntegerField(
        null=True, blank=True, help_text="When the file was changed last, in ms since 1970, to know it again by."
    )
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    reason = models.TextField(blank=True, help_text="Why it was refused.")
    operation = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=_expiry, help_text="Moves on with every part.")

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return shown_name(self.name)

    def save(self, *args: object, **kwargs: object) -> None:
        """Stores it; what no database takes of a name is replaced."""
        self.name = storable_text(self.name)[-255:]
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def path(self) -> Path:
        """Of its file."""
        return uploads_directory() / self.key

    @property
    def received(self) -> int:
        """Bytes that are here; 0 if the file is gone. One stat(2)."""
        return arrived(self.path) or 0

    def belongs_to(self, user: User) -> bool:
        """Whether ``user`` began it: nobody else may go on with it."""
        return self.owner_id == user.pk
