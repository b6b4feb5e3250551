"""A consistent copy of the SQLite database while everything runs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import connections

from ffsweb.backup.errors import NotMade, NotRestored


def snapshot(target: Path) -> None:
    """Copy the database to ``target``, as of one moment; writers go on meanwhile (WAL). Raises NotMade."""
    source = Path(connections["default"].settings_dict["NAME"])
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=20)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)  # in one step, so nothing that is written meanwhile makes it begin anew
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without another beside it
    except sqlite3.Error as error:
        msg = f"The database could not be copied: {error}. No backup was made. Is there room in {target.parent}?"
        raise NotMade(msg) from error


def settle(file: Path) -> None:
    """Bring everything into the one file, durably; nobody else has it open."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    handle = os.open(file, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inspect(file: Path) -> None:
    """Refuse (NotRestored) a file that is no whole database, or that would run something when it is used."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            kinds = database.execute("SELECT DISTINCT type FROM sqlite_master").fetchall()
            virtual = database.execute("SELECT 1 FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'").fetchone()
            if virtual or {kind for (kind,) in kinds} - {"table", "index"}:
                msg = (
                    "The database in this backup has triggers or views, which ffsweb's has not. Nothing was restored."
                )
                raise NotRestored(msg)
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        msg = f"The database in this backup is damaged: {found}. Nothing was restored. Use another backup."
        raise NotRestored(msg)
