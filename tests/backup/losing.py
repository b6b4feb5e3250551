"""A dashboard that is backed up, lost and restored, in one process: its database and data go, its keys stay."""

from __future__ import annotations

import io
import shutil

from django.conf import settings
from django.core.management import call_command

from ffsweb.backup.making import make
from ffsweb.backup.restoring import Done, restore
from ffsweb.web.keys import worker_opener


def backup(*, images: bool = True) -> bytes:
    stream = io.BytesIO()
    make(stream, images=images)
    return stream.getvalue()


def lose_everything() -> None:
    """The machine is gone; another one is there, empty, with the keys."""
    call_command("flush", verbosity=0, interactive=False)
    shutil.rmtree(settings.DATA)
    settings.DATA.mkdir(mode=0o700)


def restore_it(file: bytes) -> Done:
    return restore(io.BytesIO(file), worker_opener(), settings.KEYS, copy_keys=False)
