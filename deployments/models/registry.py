"""What came in by push: layers under their pushed names, manifests and tags; and log-ins to registries elsewhere."""

from __future__ import annotations

import datetime as dt

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from ffsweb.accounts.models import Project

from .content import Image

UNFINISHED = dt.timedelta(hours=24)
"""For so long a blob stays that was pushed or asked for, though no image has it yet."""

registry_host = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?\Z",
    "Use a host name in lower case, with a port if it has one: registry.example.com or 192.0.2.7:5000.",
)


def registry_context(project_pk: int, host: str) -> str:
    """What a sealed password is bound to, so that it opens for no other registry and in no other project."""
    return f"registry:{project_pk}:{host}"


class ProjectBlobQuerySet(models.QuerySet["ProjectBlob"]):
    """Sets of blobs."""

    def unfinished(self) -> ProjectBlobQuerySet:
        """Those that a push may still be about: the store has to keep them."""
        return self.filter(used_at__gt=timezone.now() - UNFINISHED)


class ProjectBlob(models.Model):
    """A blob as somebody pushed it, and what the store holds of it: a compressed layer is kept unpacked.

    A blob is seen by the projects that have such a row, and by no other.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="blobs")
    digest = models.CharField(max_length=71, help_text="As it was pushed.")
    diff_id = models.CharField(max_length=71, help_text="Of what the store holds: of the uncompressed layer.")
    size = models.BigIntegerField(help_text="Bytes as it was pushed.")
    content_size = models.BigIntegerField(help_text="Bytes that the store holds.")
    media_type = models.CharField(max_length=80, help_text="What it was found to be.")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(default=timezone.now, db_index=True, help_text="When a push last asked for it.")

    objects = ProjectBlobQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="one_blob_per_digest")]

    def __str__(self) -> str:
        return self.digest[:19]


class PushedManifest(models.Model):
    """A manifest or an index as it was pushed, and the one that is kept and served in its place.

    ``document`` holds the kept bytes of an index; those of a manifest are in the store. Neither ``image`` nor
    ``document`` have what was acknowledged and not kept (attestations).
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pushed_manifests")
    digest = models.CharField(max_length=71, help_text="As it was pushed.")
    kept_digest = models.CharField(max_length=71, blank=True, db_index=True)
    media_type = models.CharField(max_length=80, blank=True, help_text="Of the kept one.")
    document = models.TextField(blank=True)
    image = models.ForeignKey(Image, null=True, on_delete=models.CASCADE, related_name="pushed_manifests")
    created_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="one_manifest_per_digest")]

    def __str__(self) -> str:
        return self.digest[:19]


class RegistryTag(models.Model):
    """A name under which a manifest was pushed. ``repository`` is what follows the project's name, mostly empty."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="registry_tags")
    repository = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=128)
    manifest = models.ForeignKey(PushedManifest, on_delete=models.CASCADE, related_name="tags")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["repository", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "repository", "name"], name="one_tag_per_repository")
        ]

    def __str__(self) -> str:
        return "/".join(filter(None, (self.project.name, self.repository))) + f":{self.name}"


class RegistryCredential(models.Model):
    """How this project logs in to a registry elsewhere; the worker alone opens the password."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="registry_credentials")
    host = models.CharField(max_length=255, validators=[registry_host])
    username = models.CharField(max_length=150, blank=True)
    sealed_password = models.BinaryField(null=True)
    plain_http = models.BooleanField(default=False, help_text="The registry speaks HTTP, without TLS.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["host"]
        constraints = [models.UniqueConstraint(fields=["project", "host"], name="one_login_per_registry")]

    def __str__(self) -> str:
        return self.host
