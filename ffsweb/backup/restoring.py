"""Restoring onto an empty installation: everything is read and checked first; the rows come last, in one step.

So whatever goes wrong, and wherever it is killed, there is no database that somebody could take for the restored one
before it is whole and marked as restored.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ffsweb.audit.services import record
from ffsweb.backup import checking, emptiness, keyfile, models, placing, postgres, sealing, sqlite
from ffsweb.backup.chunks import Source
from ffsweb.backup.errors import NotRestored
from ffsweb.backup.manifest import Manifest
from ffsweb.backup.parts import Reading
from ffsweb.operations import restored
from ffsweb.sealed import Opener

ROOM = 1 << 30
"""Bytes that are to stay free beside what is restored."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was restored, and what does not open though its key is here (a damaged value, as a rule)."""

    manifest: Manifest
    closed: list[str]


def possible(manifest: Manifest) -> None:
    """Whether this version of ffsweb, with this kind of database, takes the backup; else NotRestored."""
    known = MigrationLoader(None).disk_migrations
    strangers = [f"{app}.{name}" for app, name in manifest.migrations.items() if (app, name) not in known]
    if strangers:
        raise NotRestored(
            f"This backup was made by ffsweb {manifest.version}, newer than this one: it has {strangers[0]}. "
            "Nothing was changed. Install that version first."
        )
    if manifest.database != connection.vendor:
        raise NotRestored(
            f"This backup is of {manifest.database}, and DATABASE_URL here names {connection.vendor}. Nothing was "
            "changed. Set DATABASE_URL to an empty database of that kind."
        )


def restore(source: Source, opener: Opener, keys: Path, *, copy_keys: bool) -> Done:
    """Restore a backup. ``keys``: the directory with the private keys; ``copy_keys``: FFSWEB_KEYS gets them.

    Raises BackupError, or OSError where the disk fails; the installation is empty then, as before (but where the text
    says that the database could not be brought up to date after all was restored). Needs room for all
    of it in FFSWEB_DATA.
    """
    _refuse_what_is_there(keys, copy_keys=copy_keys)
    reading = Reading(source, opener)
    manifest = reading.manifest
    checking.enough(manifest, keyfile.private_names(keys))
    possible(manifest)
    settings.DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.DATA).free
    if free < manifest.size + ROOM:
        raise NotRestored(
            f"{settings.DATA} has {free} bytes free, and this needs {manifest.size + ROOM}. Nothing was changed."
        )
    with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA) as name, placing.undone() as placed:
        staging = Path(name)
        for part, pieces in reading.parts():
            placing.write(staging, part, pieces)
        os.sync()
        if copy_keys:
            placing.place_keys(keys, placed)
        placing.place_blobs(staging, placed)
        openers = {ring: Opener.load(keys, ring) for ring in ("web", "worker")}
        if manifest.database == "sqlite":
            closed = _sqlite(staging / "database" / "sqlite", manifest, openers)
        else:
            _postgres(staging / "database", manifest)
    if manifest.database == "postgresql":
        closed = _postgres_up_to_date(manifest, openers)
    return Done(manifest, closed)


def _refuse_what_is_there(keys: Path, *, copy_keys: bool) -> None:
    there = emptiness.found()
    if copy_keys and (names := [path.name for path in settings.KEYS.glob("*") if not path.name.startswith(".")]):
        there.append(f"FFSWEB_KEYS ({settings.KEYS}) holds {min(names)}")
    if there:
        raise NotRestored(
            f"This installation is not empty: {'; '.join(there)}. A restore replaces nothing. Nothing was changed. "
            "Move that away, or set FFSWEB_DATA, FFSWEB_KEYS and DATABASE_URL to empty ones."
        )


def _sqlite(file: Path, manifest: Manifest, openers: dict[str, Opener]) -> list[str]:
    sqlite.inspect(file)
    target = emptiness.database_file()
    connection.close()
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(file)
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            restored.mark(_of(manifest))
            closed = _finish(manifest, openers)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
    sqlite.settle(file)
    for suffix in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)  # of the empty one
    partial = target.with_name(f".{target.name}.restored")
    shutil.move(file, partial)  # it may be on another file system
    partial.replace(target)
    return closed


def _postgres(directory: Path, manifest: Manifest) -> None:
    applied = dict(sorted(MigrationRecorder(connection).applied_migrations()))
    if applied and applied != manifest.migrations:
        raise NotRestored(
            "The database is empty but for the tables of another version of ffsweb. Nothing was changed. Make it "
            "anew (DROP DATABASE, CREATE DATABASE)."
        )
    executor = MigrationExecutor(connection)
    executor.migrate(list(manifest.migrations.items()))
    with transaction.atomic():
        postgres.load(manifest.columns, directory)
        restored.mark(_of(manifest))


def _postgres_up_to_date(manifest: Manifest, openers: dict[str, Opener]) -> list[str]:
    """The rows are there and marked: from here on nothing is taken back."""
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            return _finish(manifest, openers)
    except DatabaseError as error:
        raise NotRestored(
            f"All was restored and marked, but the database could not be brought up to date: {error}. It "
            "stays as it is. Run ffs migrate, and end all sessions under People."
        ) from error


def _of(manifest: Manifest) -> str:
    return f"{manifest.installation}, {manifest.made_at}"


def _finish(manifest: Manifest, openers: dict[str, Opener]) -> list[str]:
    """Nobody is logged in, and the backups of the old machine are not looked for here."""
    Session.objects.all().delete()
    models.Backup.objects.all().delete()
    models.Watch.objects.all().delete()
    record(
        actor="ffs restore", action="system.restore", target=manifest.installation, detail={"of": manifest.made_at}
    )
    return sealing.closed(openers)
