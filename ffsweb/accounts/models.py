"""People, projects and memberships: the unit of permission is the project."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils.crypto import salted_hmac

project_name = RegexValidator(
    r"^[a-z][a-z0-9-]{0,30}[a-z0-9]\Z",
    "Use 2 to 32 lower-case letters, digits and hyphens, beginning with a letter.",
)

user_name = RegexValidator(
    r"^[a-z][a-z0-9._-]{1,31}\Z",
    "Use 2 to 32 lower-case letters, digits, dots, hyphens and underscores, beginning with a letter.",
)


class User(AbstractUser):
    """A person who logs in. ``is_administrator`` is the installation's administrator flag."""

    is_administrator = models.BooleanField(default=False)
    sessions_generation = models.PositiveIntegerField(
        default=0, help_text="Every session carries it; counting up ends them all."
    )

    @property
    def shown_name(self) -> str:
        """The full name if there is one, else the user name."""
        return self.get_full_name() or self.username

    def get_session_auth_hash(self) -> str:
        """What a session must carry to count: changes with the password and with the generation."""
        return self._bound(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self):  # type: ignore[no-untyped-def]
        """The same under older secret keys of the installation."""
        return (self._bound(value) for value in super().get_session_auth_fallback_hash())

    def _bound(self, value: str) -> str:
        return salted_hmac("ffsweb.sessions", f"{value}:{self.sessions_generation}").hexdigest()


class Role(models.TextChoices):
    """What a member may do in one project; each role includes those before it."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        """Higher may do more."""
        return list(Role).index(self)

    def includes(self, other: Role) -> bool:
        """Whether this role may do what ``other`` may."""
        return self.rank >= other.rank


def lower(one: Role, other: Role) -> Role:
    """The one of two roles that may do less."""
    return other if one.includes(other) else one


class ProjectQuerySet(models.QuerySet["Project"]):
    """Sets of projects."""

    def visible_to(self, user: User) -> ProjectQuerySet:
        """The projects that ``user`` may see: all for an administrator, else those of the memberships."""
        if user.is_administrator:
            return self
        return self.filter(memberships__user=user)


class Project(models.Model):
    """An application: what nodes, services, images, certificates and operations belong to.

    Its name is part of paths and units on the nodes and never changes; the title may.
    """

    name = models.CharField(max_length=32, unique=True, validators=[project_name])
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def role_of(self, user: User) -> Role | None:
        """The role of ``user`` here, or None; an administrator is an admin of every project. One query."""
        if user.is_administrator:
            return Role.ADMIN
        membership = self.memberships.filter(user=user).first()
        return Role(membership.role) if membership else None


class Membership(models.Model):
    """One person's role in one project."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "project"], name="one_membership_per_project")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}: {self.role}"


class LinkQuerySet(models.QuerySet["OneTimeLink"]):
    """Sets of one-time links."""

    def open_at(self, now: dt.datetime) -> LinkQuerySet:
        """Those that would still be accepted at ``now``."""
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=now)


class OneTimeLink(models.Model):
    """An address that makes one account, or sets one password, once. Only the token's SHA-256 is kept."""

    class Kind(models.TextChoices):
        FIRST_ADMINISTRATOR = "first", "First administrator"
        INVITATION = "invitation", "Invitation"
        PASSWORD = "password", "New password"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    username = models.CharField(max_length=150, blank=True, help_text="For whom; empty for the first administrator.")
    user = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, related_name="links", help_text="Whose password it sets."
    )
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role.choices, blank=True)
    administrator = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="links_made")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.username or 'the first administrator'}"


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    """Sets of access tokens."""

    def open_at(self, now: dt.datetime) -> AccessTokenQuerySet:
        """Those that are neither withdrawn nor too old at ``now``."""
        return self.filter(revoked_at=None, expires_at__gt=now)


class AccessToken(models.Model):
    """What a program logs in with, in one role, for one project or all. Only the token's SHA-256 is kept.

    It acts for whoever made it, and never may more than they may at that moment.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    project = models.ForeignKey(
        Project,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="access_tokens",
        help_text="The one that it is for; empty for all that its maker sees.",
    )
    role = models.CharField(max_length=10, choices=Role.choices, help_text="The most that it may do.")
    also_reads = models.ManyToManyField(
        Project, blank=True, related_name="+", help_text="Other projects whose image layers it may use."
    )
    name = models.CharField(max_length=60, help_text="What it is for.")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    def state_at(self, now: dt.datetime) -> str:
        """``revoked``, ``expired`` or ``valid``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "valid"
