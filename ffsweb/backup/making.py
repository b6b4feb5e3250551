"""Making a backup: one file that has its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone

from deployments.core.filetree_errors import FilesError
from deployments.oci.errors import ImageError
from ffsweb.backup import models, parts
from ffsweb.backup.errors import NotMade
from ffsweb.backup.gathering import gathered
from ffsweb.backup.manifest import Manifest
from ffsweb.web.keys import worker_sealer


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made; ``place`` is None for a stream."""

    manifest: Manifest
    size: int
    place: Path | None


def make(target: Path | BinaryIO, *, images: bool = True) -> Made:
    """Write a backup to a file that is not there yet, into a directory under a name of its own, or to a stream.

    The public half of the ring ``worker`` is enough: who can make a backup need not be able to read one. Raises
    NotMade, RingMissing or RingUnsafe; no file is left then. Notes the backup in the database.
    """
    sealer = worker_sealer()
    try:
        with gathered(images=images) as found:
            if isinstance(target, Path):
                with new_file(_named(target)) as (file, place):
                    size = parts.write(file, sealer, found.manifest, found.content)
            else:
                place, size = None, parts.write(target, sealer, found.manifest, found.content)
                target.flush()
    except (ImageError, FilesError) as error:
        raise NotMade(f"{error} No backup was made.") from error
    except OSError as error:
        where = error.filename or (target if isinstance(target, Path) else "standard output")
        raise NotMade(
            f"{where} could not be written or read: {error.strerror or error}. No backup was made."
        ) from error
    _note(found.manifest, size, place)
    return Made(found.manifest, size, place)


@contextmanager
def new_file(place: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file with mode 0600 that appears as ``place``, whole and durable, if the block ends well; else nothing.

    Raises NotMade if there is one already.
    """
    place = place.absolute()
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, place
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, place)  # unlike rename, never replaces another one
        except FileExistsError:
            raise NotMade(f"{place} is there already, and was left as it was. Name another file.") from None
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _named(target: Path) -> Path:
    if target.is_dir():
        return target / f"ffsweb-{timezone.now():%Y%m%d-%H%M%S}.backup"
    if target.exists():
        raise NotMade(f"{target} is there already, and was left as it was. Name another file, or a directory.")
    return target


def _note(manifest: Manifest, size: int, place: Path | None) -> None:
    models.Backup.objects.create(made_at=manifest.made_at, place=str(place or ""), size=size, images=manifest.images)
    old = models.Backup.objects.values_list("pk", flat=True)[models.KEPT :]
    models.Backup.objects.filter(pk__in=list(old)).delete()
