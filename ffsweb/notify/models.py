"""The outbox, the mail server, and who does not want what."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from ffsweb.accounts.models import Project, User

from .outgoing import Outgoing, OutgoingQuerySet


class Tls(models.TextChoices):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls", "STARTTLS (port 587, as a rule)"
    TLS = "tls", "TLS from the first byte (port 465, as a rule)"
    NONE = "none", "None: for a server on this machine only"


class MailServer(models.Model):
    """The one row about the mail server, as an administrator entered it."""

    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=587)
    tls = models.CharField(max_length=8, choices=Tls.choices, default=Tls.STARTTLS)
    user = models.CharField(max_length=200, blank=True)
    sealed_password = models.BinaryField(null=True, help_text="Sealed for the worker.")
    sender = models.EmailField()
    base_url = models.CharField(max_length=200, blank=True, help_text="Empty: FFSWEB_PUBLIC_URL.")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def context(self) -> str:
        """What the sealed password is bound to: whoever enters another server cannot have it sent there."""
        return f"mail-password:{self.tls}:{self.host}:{self.port}:{self.user}"


def new_message_id() -> str:
    """A fresh Message-ID; a mail keeps it through all attempts, so that a doubled one can be told by it."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return f"<{uuid.uuid4().hex}@{host if ':' not in host else 'localhost'}>"


class Message(Outgoing):
    """One mail to one person. ``key`` names the event: nobody is mailed of it twice."""

    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    address = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField()
    message_id = models.CharField(max_length=255, unique=True, default=new_message_id)
    waits_for_server = models.BooleanField(
        default=False, help_text="The last attempt failed at the server, not at this mail."
    )

    objects = OutgoingQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint("key", Lower("address"), name="one_mail_per_event_and_address")]
        indexes = [models.Index(fields=["state", "next_at"])]

    def __str__(self) -> str:
        return self.subject


class ListedAddress(models.Model):
    """An address that gets all mail of a project: a list, a pager."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="listed_addresses")
    address = models.EmailField()

    class Meta:
        ordering = ["address"]
        constraints = [models.UniqueConstraint("project", Lower("address"), name="one_listed_address_per_project")]

    def __str__(self) -> str:
        return self.address


class Digest(models.Model):
    """Somebody wants a mail a day: a person, or a project for its listed addresses."""

    user = models.OneToOneField(User, null=True, on_delete=models.CASCADE, related_name="+")
    project = models.OneToOneField(Project, null=True, on_delete=models.CASCADE, related_name="+")
    hour = models.PositiveSmallIntegerField(help_text="From 0 to 23, UTC.")
    done = models.DateField(null=True, help_text="The last day that was looked at.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None, project__isnull=False) | models.Q(user__isnull=False, project=None),
                name="a_digest_of_a_person_or_a_project",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user or self.project} at {self.hour}:00 UTC"


class Muted(models.Model):
    """One person does not want one kind of mail of one project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user", "kind"], name="one_muted_kind_per_person")]

    def __str__(self) -> str:
        return f"{self.user}: no {self.kind} of {self.project}"
