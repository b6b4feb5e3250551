"""What is deployed: images, files and the releases made of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import models

from deployments.core.filetree import FileTree, tree_from_json
from ffsweb.accounts.models import Project

from .storable import storable, storable_text


class Image(models.Model):
    """An OCI image in the store. Its identity is the digest of its configuration (podman's image ID)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    image_id = models.CharField(max_length=71, help_text="sha256: and 64 hex digits, of the configuration.")
    manifest_digest = models.CharField(max_length=71, help_text="Of the manifest that the store serves.")
    reference = models.CharField(max_length=255, blank=True, help_text="The name it had in the archive.")
    architecture = models.CharField(max_length=40)
    layers = models.JSONField(help_text='[{"diff_id": "sha256:…", "size": bytes}], lowest first.')
    size = models.BigIntegerField(help_text="Bytes of all layers, uncompressed.")
    config = models.JSONField(default=dict, help_text="Entrypoint, Cmd, Env, User, Healthcheck, Labels of the image.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["project", "image_id"], name="one_image_per_id")]

    def __str__(self) -> str:
        return self.reference or self.image_id[7:19]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores it; what no database takes of an archive's text is replaced, and its name cut to what fits."""
        self.reference, self.config = storable_text(self.reference)[:255], storable(self.config)
        super().save(*args, **kwargs)


class FilesVersion(models.Model):
    """A numbered, unchangeable tree of project files."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="files_versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71, help_text="Of the canonical manifest.")
    manifest = models.JSONField(help_text='[{"path": …, "mode": 420, "size": bytes, "sha256": hex}], by path.')
    size = models.BigIntegerField(help_text="Bytes of all files.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="one_files_version_per_number")]

    def __str__(self) -> str:
        return f"files {self.number}"

    def tree(self) -> FileTree:
        """The manifest as a checked tree; read once per row, because a fleet's plan asks for it once per service."""
        return self._tree

    @cached_property
    def _tree(self) -> FileTree:
        return tree_from_json(self.manifest)


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Sets of releases."""

    def for_lists(self) -> ReleaseQuerySet:
        """With image and files as far as lists show them: without manifests, layers and settings. One query."""
        large = ("plain_settings", "sealed_settings", "image__layers", "image__config", "files__manifest")
        return self.select_related("image", "files").defer(*large)


class Release(models.Model):
    """Image, files and settings under a number; never changed. What is deployed and rolled back to."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    image = models.ForeignKey(Image, on_delete=models.RESTRICT, related_name="releases")
    files = models.ForeignKey(FilesVersion, null=True, blank=True, on_delete=models.RESTRICT, related_name="releases")
    plain_settings = models.JSONField(default=dict, help_text="Name to value.")
    sealed_settings = models.JSONField(
        default=dict, help_text="Name to base64 of the sealed value, sealed for the worker."
    )
    note = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="one_release_per_number")]

    def __str__(self) -> str:
        return f"release {self.number}"
