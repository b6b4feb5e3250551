"""What is deployed: images, files and the releases made of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Prefetch, Subquery, Sum
from django.utils import timezone

from deployments.core.architecture import best
from deployments.core.filetree import FileTree, tree_from_json
from ffsweb.accounts.models import Project

from .collection import ImageLayer
from .storable import storable, storable_text


class ImageQuerySet(models.QuerySet["Image"]):
    """Sets of images."""

    def grouped(self) -> list[list[Image]]:
        """The images, newest first, those of one index together with the main one first. One query."""
        groups: dict[str, list[Image]] = {}
        for image in self:
            groups.setdefault(image.index_digest or image.image_id, []).append(image)
        return [main_first(images) for images in groups.values()]

    def with_shared(self) -> ImageQuerySet:
        """With ``shared``: bytes of the layers that other images of the project have too (None for none)."""
        others = ImageLayer.objects.filter(
            diff_id=OuterRef("diff_id"), image__project=OuterRef("image__project")
        ).exclude(image=OuterRef("image"))
        layers = ImageLayer.objects.filter(Exists(others), image=OuterRef("pk")).order_by()
        return self.annotate(shared=Subquery(layers.values("image").annotate(all=Sum("size")).values("all")))


class Image(models.Model):
    """An OCI image in the store. Its identity is the digest of its configuration (podman's image ID).

    An image for several architectures is one row for each; ``index_digest`` ties them together.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    image_id = models.CharField(max_length=71, help_text="sha256: and 64 hex digits, of the configuration.")
    manifest_digest = models.CharField(max_length=71, help_text="Of the manifest that the store serves.")
    reference = models.CharField(max_length=255, blank=True, help_text="The name it had in the archive.")
    architecture = models.CharField(max_length=40, help_text="With the variant if there is one: arm/v7.")
    index_digest = models.CharField(
        max_length=71, blank=True, db_index=True, help_text="Of the index it came in last; empty if it came alone."
    )
    came_by = models.CharField(max_length=255, blank=True, help_text="The way it came in, as pages say it.")
    layers = models.JSONField(help_text='[{"diff_id": "sha256:…", "size": bytes}], lowest first.')
    size = models.BigIntegerField(help_text="Bytes of all layers, uncompressed.")
    python = models.CharField(
        max_length=200, blank=True, help_text="Path of its newest Python, such as /usr/bin/python3.11, if it has one."
    )
    config = models.JSONField(default=dict, help_text="Entrypoint, Cmd, Env, User, Healthcheck, Labels of the image.")
    created_at = models.DateTimeField(auto_now_add=True)
    came_at = models.DateTimeField(default=timezone.now, help_text="When it came in last.")
    created_by = models.CharField(max_length=150, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["project", "image_id"], name="one_image_per_id")]

    def __str__(self) -> str:
        return self.reference or self.image_id[7:19]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores it, and its layers' rows; what no database takes of an archive's text is replaced or cut."""
        self.reference, self.config = storable_text(self.reference)[:255], storable(self.config)
        self.came_by = storable_text(self.came_by)[:255]
        self.architecture = storable_text(self.architecture)[:40]
        with transaction.atomic():
            super().save(*args, **kwargs)
            sizes = {layer["diff_id"]: layer["size"] for layer in self.layers}
            rows = [ImageLayer(image=self, diff_id=diff_id, size=size) for diff_id, size in sizes.items()]
            ImageLayer.objects.filter(image=self).exclude(diff_id__in=sizes).delete()
            ImageLayer.objects.bulk_create(rows, ignore_conflicts=True)

    @property
    def in_releases(self) -> list[Release]:
        """The releases that need it, newest first. Two queries unless they were prefetched."""
        return sorted({*self.releases.all(), *self.variant_of.all()}, key=lambda release: -release.number)

    def siblings(self) -> list[Image]:
        """The same image for other architectures: what the project has of the same index. One query, or none."""
        if not self.index_digest:
            return []
        rows = Image.objects.filter(project_id=self.project_id, index_digest=self.index_digest)
        return list(rows.exclude(architecture=self.architecture).defer("layers", "config"))


MAIN = "x86_64"
"""The machine whose image stands for the others where an image has several architectures."""


def main_first(images: Sequence[Image]) -> list[Image]:
    """One image's architectures, the one first that stands for all of them."""
    main = best(MAIN, images, lambda image: image.architecture)
    return sorted(images, key=lambda image: (image != main, image.architecture))


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


_LARGE = ("plain_settings", "image__layers", "image__config", "files__manifest")


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Sets of releases."""

    def for_lists(self) -> ReleaseQuerySet:
        """With images and files as far as lists show them: without manifests, layers and settings. Two queries."""
        return self.for_going_back().defer("sealed_settings", *_LARGE)

    def for_going_back(self) -> ReleaseQuerySet:
        """The same with sealed settings: they decide which credentials a node has to have. Two queries."""
        variants = Prefetch("variants", Image.objects.defer("layers", "config"))
        return self.select_related("image", "files").prefetch_related(variants).defer(*_LARGE)


class Release(models.Model):
    """Image, files and settings under a number; never changed. What is deployed and rolled back to."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    image = models.ForeignKey(Image, on_delete=models.RESTRICT, related_name="releases")
    variants = models.ManyToManyField(
        Image, related_name="variant_of", blank=True, help_text="The same image for other architectures."
    )
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

    @property
    def images(self) -> tuple[Image, ...]:
        """The image in every architecture, the main one first. One query unless ``variants`` were prefetched."""
        return (self.image, *sorted(self.variants.all(), key=lambda image: image.architecture))

    @property
    def architectures(self) -> tuple[str, ...]:
        """What its image is for. One query unless ``variants`` were prefetched."""
        return tuple(image.architecture for image in self.images)

    def image_for(self, architecture: str) -> Image | None:
        """The image for a node that calls itself ``architecture`` (``uname -m``); None if none runs there.

        "" (nobody knows yet) gives the main image. One query unless ``variants`` were prefetched.
        """
        if not architecture:
            return self.image
        return best(architecture, self.images, lambda image: image.architecture)
