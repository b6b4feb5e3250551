"""Releases are made of an image, files and the settings of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max

from deployments.models import FilesVersion, Image, Release
from deployments.services.settings import snapshot
from ffsweb.accounts.models import Project
from ffsweb.audit.services import record

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import User


class Gone(Exception):
    """The image or the files were removed since they were chosen."""


def make_release(
    *,
    project: Project,
    actor: User,
    image: Image,
    files: FilesVersion | None,
    note: str = "",
    request: HttpRequest | None = None,
) -> Release:
    """Number a new release; it holds a copy of the settings, so later changes do not alter it. Raises Gone.

    It has the image for all architectures that came in with it.
    """
    with transaction.atomic():
        # Under this lock numbers are given out and images go (SQLite: IMMEDIATE does the same).
        Project.objects.select_for_update().get(pk=project.pk)
        if not project.images.filter(pk=image.pk).exists():
            raise Gone(f"The image {image} was removed meanwhile. No release was made.")
        if files is not None and not project.files_versions.filter(pk=files.pk).exists():
            raise Gone(f"The {files} were removed meanwhile. No release was made.")
        last = Release.objects.filter(project=project).aggregate(last=Max("number"))["last"] or 0
        plain, sealed = snapshot(project.settings.all())
        release = Release.objects.create(
            project=project,
            number=last + 1,
            image=image,
            files=files,
            plain_settings=plain,
            sealed_settings=sealed,
            note=note,
            created_by=actor.get_username(),
        )
        release.variants.set(image.siblings())
        record(
            actor=actor,
            action="release.make",
            project=project,
            target=str(release),
            detail={"image": image.image_id, "files": files.number if files else None},
            request=request,
        )
    return release
