"""Whether there is anything here that a restore would hide or replace."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection

from ffsweb.backup import postgres

_ROWS = ("accounts_user", "accounts_project", "operations_operation")
_OURS = frozenset({".ffsweb", "ffs.lock"})
_EMPTY_STORE = frozenset({"oci/oci-layout", "oci/index.json"})
_PASSING = ("run", "valkey", "oci/scratch", "files/scratch")


def found() -> list[str]:
    """What there is, in words; an empty list: this installation is empty. Changes nothing."""
    there = _data()
    there += _sqlite() if connection.vendor == "sqlite" else _postgres()
    return there


def database_file() -> Path:
    """Where the SQLite database is, or would be."""
    return Path(settings.DATABASES["default"]["NAME"])


def _data() -> list[str]:
    ours = {database_file().name + suffix for suffix in ("", "-wal", "-shm", "-journal")} | _OURS
    for top, _, names in os.walk(settings.DATA):
        for name in names:
            path = (Path(top) / name).relative_to(settings.DATA)
            passing = any(str(path).startswith(f"{place}/") for place in _PASSING)
            if not (str(path) in ours or str(path) in _EMPTY_STORE or passing):
                return [f"FFSWEB_DATA ({settings.DATA}) holds {path}"]
    return []


def _sqlite() -> list[str]:
    file = database_file()
    if not file.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = [name for name in _ROWS if name in tables and database.execute(f"SELECT 1 FROM {name}").fetchone()]  # noqa: S608
    except sqlite3.Error as error:
        return [f"{file} cannot be read ({error})"]
    return [f"the database {file} has rows in {', '.join(rows)}"] if rows else []


def _postgres() -> list[str]:
    tables = postgres.columns()
    with connection.cursor() as cursor:
        for name in tables:
            if name not in _ROWS:
                continue
            cursor.execute(f"SELECT 1 FROM {name} LIMIT 1")  # noqa: S608
            if cursor.fetchone():
                return [f"the database has rows in {name}"]
    return []
