"""People, projects and memberships: the unit of permission is the project."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

project_name = RegexValidator(
    r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$",
    "Use 2 to 32 lower-case letters, digits and hyphens, beginning with a letter.",
)


class User(AbstractUser):
    """A person who logs in. ``is_administrator`` is the installation's administrator flag."""

    is_administrator = models.BooleanField(default=False)


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


class ProjectQuerySet(models.QuerySet["Project"]):
    """Sets of projects."""

    def visible_to(self, user: User) -> ProjectQuerySet:
        """The projects that ``user`` may see: all for an administrator, else those of the memberships."""
        if user.is_administrator:
            return self
        return self.filter(memberships__user=user)


class Project(models.Model):
    """An application: what nodes, services, images, certificates and operations belong to."""

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
