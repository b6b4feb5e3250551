"""How large the images of a project and the store are; from rows, never by a walk of the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from deployments.models.collection import bytes_in_store

if TYPE_CHECKING:
    from ffsweb.accounts.models import Project


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes: of the project's images, each layer once; of all images in the store; free on the store's disk."""

    project: int
    store: int
    free: int


def sizes_for(project: Project) -> Sizes:
    """The sizes that a project's image page shows. Two queries and one look at the file system."""
    return Sizes(bytes_in_store(project), bytes_in_store(), disk_free())


def disk_free() -> int:
    """Bytes free on the disk of the data directory."""
    return shutil.disk_usage(settings.DATA).free
