"""Images that are in the store get their rows: the one place that writes them, whatever the way they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.supervision import interpreter_among, tells_of_python
from deployments.models import Image
from deployments.models.content import main_first
from deployments.models.image_store import store
from deployments.oci.contents import files_of
from ffsweb.accounts.models import Project

if TYPE_CHECKING:
    from deployments.oci.store import ImportedImage


def record_images(project: Project, found: tuple[ImportedImage, ...], actor_name: str, came_by: str) -> Image:
    """Write the rows of one image, in all architectures that are in the store; its main one is returned.

    ``came_by`` says to people how it came: "archive app.tar", "push", "pull from …". An image that the project has
    already keeps its row, which tells the newest name and the newest index.
    """
    pythons = {image.image_id: _python(image) for image in found}
    with transaction.atomic():
        # As releases are made and images removed: one after the other in each project.
        Project.objects.select_for_update().get(pk=project.pk)
        rows = [_record(project, image, actor_name, came_by, pythons[image.image_id]) for image in found]
    return main_first(rows)[0]


def _python(image: ImportedImage) -> str:
    """The path of its newest Python, from the headers of its layers; "" if there is none."""
    found = interpreter_among(files_of(store(), [layer.diff_id for layer in image.layers], tells_of_python))
    return found.path if found else ""


def _record(project: Project, image: ImportedImage, actor_name: str, came_by: str, python: str) -> Image:
    fields = {
        "manifest_digest": image.manifest_digest,
        "reference": image.reference,
        "architecture": image.architecture,
        "layers": [{"diff_id": layer.diff_id, "size": layer.size} for layer in image.layers],
        "size": image.size,
        "config": image.config.as_json(),
        "created_by": actor_name,
        "came_by": came_by,
        "came_at": timezone.now(),
        "python": python,
    }
    if image.index_digest:
        fields["index_digest"] = image.index_digest
    row, _ = Image.objects.update_or_create(project=project, image_id=image.image_id, defaults=fields)
    return row
