"""The layers of images as rows, for sizes; and what the collections of the store removed."""

from __future__ import annotations

from django.db import models

from ffsweb.accounts.models import Project


class ImageLayer(models.Model):
    """One layer of one image, once however often the image has it. Follows ``Image.layers``, which has the order."""

    image = models.ForeignKey("deployments.Image", on_delete=models.CASCADE, related_name="layer_rows")
    diff_id = models.CharField(max_length=71)
    size = models.BigIntegerField(help_text="Bytes, uncompressed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "diff_id"], name="one_row_per_layer")]
        indexes = [models.Index(fields=["diff_id"])]

    def __str__(self) -> str:
        return self.diff_id[:19]


def bytes_in_store(project: Project | None = None) -> int:
    """Bytes of the layers of a project's images, or of all, each layer once. One query."""
    rows = ImageLayer.objects.all() if project is None else ImageLayer.objects.filter(image__project=project)
    distinct = rows.values("diff_id").annotate(once=models.Max("size"))
    return int(distinct.aggregate(total=models.Sum("once"))["total"] or 0)


class CollectionQuerySet(models.QuerySet["Collection"]):
    """Sets of collections."""

    def open(self) -> CollectionQuerySet:
        """Those that were asked for and have not ended."""
        return self.filter(ended_at=None)


class Collection(models.Model):
    """One collection of the image store: who asked for it, and what it removed."""

    asked_at = models.DateTimeField(auto_now_add=True)
    asked_by = models.CharField(max_length=150, blank=True, help_text="Empty: the clock.")
    ended_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why it waits, or why nothing was removed.")
    freed_blobs = models.PositiveIntegerField(default=0)
    freed_bytes = models.BigIntegerField(default=0)
    kept_blobs = models.PositiveIntegerField(default=0)
    kept_bytes = models.BigIntegerField(default=0)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"collection {self.pk}"

    @property
    def state(self) -> str:
        """The state as a pill."""
        if self.ended_at is None:
            return "pending"
        return "failed" if self.problem else "done"
