"""Images that are no longer needed leave the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import RestrictedError

from ffsweb.accounts.models import Project
from ffsweb.audit.services import record

if TYPE_CHECKING:
    from django.http import HttpRequest

    from deployments.models import Image
    from ffsweb.accounts.models import User


class StillNeeded(Exception):
    """A release is made of it."""


def remove_image(*, image: Image, actor: User, request: HttpRequest | None = None) -> None:
    """Forget an image; its blobs go with the next sweep of the store. Raises StillNeeded."""
    try:
        with transaction.atomic():
            # Under the same lock as a release is made: it cannot come to need the image meanwhile.
            Project.objects.select_for_update().get(pk=image.project_id)
            record(
                actor=actor,
                action="image.remove",
                project=image.project,
                target=str(image),
                detail={"image": image.image_id},
                request=request,
            )
            if image.variant_of.exists():
                raise StillNeeded(f"The image {image} belongs to a release. Nothing was removed.")
            image.delete()
    except RestrictedError as error:
        raise StillNeeded(f"The image {image} belongs to a release. Nothing was removed.") from error
