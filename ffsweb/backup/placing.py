"""Putting what was restored into its place, and taking it back if the rest fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from ffsweb.backup.manifest import Part
from ffsweb.sealed.keyfiles import write as write_key


def write(staging: Path, part: Part, pieces: Iterator[bytes]) -> None:
    """One part below ``staging``; nothing that is there is followed or replaced."""
    place = staging / part.name  # the manifest's names were checked: none leads out of here
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        for piece in pieces:
            file.write(piece)


@contextmanager
def undone() -> Iterator[list[Path]]:
    """What was put into its place goes again if the block does not end well."""
    placed: list[Path] = []
    try:
        yield placed
    except BaseException:
        for path in placed:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def place_keys(keys: Path, placed: list[Path]) -> None:
    """Copy the files below ``keys`` into FFSWEB_KEYS, which holds none; they are added to ``placed``."""
    settings.KEYS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in sorted(path for path in keys.rglob("*") if path.is_file()):
        place = settings.KEYS / file.relative_to(keys)
        if place.parent != settings.KEYS and not place.parent.exists():
            place.parent.mkdir(mode=0o700)
            placed.append(place.parent)
        placed.append(place)
        write_key(place, file.read_bytes())


def place_blobs(staging: Path, placed: list[Path]) -> None:
    """Move the stores into FFSWEB_DATA, which holds none but empty ones."""
    for name in ("oci", "files"):
        if not (staging / name).exists():
            continue
        place = settings.DATA / name
        shutil.rmtree(place, ignore_errors=True)  # an empty store, or nothing: that was looked at
        placed.append(place)
        (staging / name).rename(place)
