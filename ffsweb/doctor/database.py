"""The database: whether it answers, how fast, which it is, its migrations, its clock, and whether it is whole."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .findings import Finding, fail, ok, skipped, warn

SLOW: Final = 0.1
APART: Final = 5.0
"""Seconds by which the clocks of database and machine may differ."""
OLDEST_POSTGRES: Final = 140000
"""As ``server_version_num`` has it; what Django supports."""
WAL: Final = 2
"""The file format's write and read version with a write-ahead log (sqlite.org, "Database File Format")."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a PostgreSQL says. ``ahead``: seconds by which its clock is ahead of ours."""

    number: int
    text: str
    ahead: float
    commits: str


def look() -> Iterator[Finding]:
    """Whether it answers, and how fast. One query."""
    from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        trouble = judge_file(Path(str(connection.settings_dict["NAME"])))
        if trouble is not None:
            yield trouble
            if trouble.advice.startswith("Run `ffs migrate`"):
                return  # connecting would make an empty one
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            seconds = time.monotonic() - began
    except DatabaseError as error:
        yield fail(f"It does not answer: {str(error).strip()}", "Is DATABASE_URL right, and the server there?")
        return
    yield judge_speed(connection.display_name, seconds)


def server() -> Iterator[Finding]:
    """What a PostgreSQL says of itself. One query."""
    from django.db import DEFAULT_DB_ALIAS, connections

    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        yield ok(f"SQLite {sqlite3.sqlite_version}, whose clock is this machine's.")
        return
    with connection.cursor() as cursor:
        found = _ask(cursor)
    yield from judge_server(found)


def judge_file(path: Path) -> Finding | None:
    """Of SQLite's file before anybody opens it; None if all is well."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except FileNotFoundError:
        return fail(f"{path} is not there.", "Run `ffs migrate`, or restore it from a backup.")
    except OSError as error:
        return fail(f"{path} cannot be read: {error.strerror}.", "Give it to the user that ffsweb runs as.")
    if head and not head.startswith(b"SQLite format 3\0"):
        return fail(f"{path} is no SQLite database.", "Restore it from a backup.")
    if len(head) == 20 and (head[18], head[19]) != (WAL, WAL):
        return warn(f"{path} has no write-ahead log yet.", "The next start of ffsweb switches it on.")
    return None


def judge_speed(name: str, seconds: float) -> Finding:
    """How long connecting and one answer took."""
    text = f"{name} answers within {seconds * 1000:.0f} ms, connecting included."
    return warn(text, "Every page and every log line waits for it: bring it closer.") if seconds > SLOW else ok(text)


def judge_server(found: Server) -> Iterator[Finding]:
    """Pure."""
    if found.number < OLDEST_POSTGRES:
        yield fail(f"PostgreSQL {found.text}.", "ffsweb needs PostgreSQL 14 or later.")
    else:
        yield ok(f"PostgreSQL {found.text}.")
    if abs(found.ahead) > APART:
        way = "ahead of" if found.ahead > 0 else "behind"
        yield fail(
            f"Its clock is {abs(found.ahead):.0f} s {way} that of this machine.",
            "Leases and pauses are kept by the database's clock: synchronise both.",
        )
    if found.commits == "off":
        yield warn(
            "synchronous_commit is off.",
            "A crash of PostgreSQL takes log lines back that were seen already: switch it on for this database.",
        )


def migrations() -> Finding:
    """Whether the schema is that of this version. Two queries."""
    from ffsweb.health import missing_migrations

    missing = missing_migrations()
    if missing:
        return fail(
            f"{missing} migrations of this version are not applied.", "Make a backup, then run `ffs migrate`."
        )
    return ok("The schema is that of this version.")


def integrity() -> Finding:
    """SQLite's own check of the file; reads all of it."""
    from django.db import DEFAULT_DB_ALIAS, connections

    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite":
        return skipped("PostgreSQL looks after its own files.")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA quick_check(5)")
        found = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute("PRAGMA journal_mode")
        mode = str(cursor.fetchone()[0])
    return judge_integrity(found, mode)


def judge_integrity(found: list[str], mode: str) -> Finding:
    """``found``: the rows of quick_check."""
    if found != ["ok"]:
        return fail(
            f"The database is damaged: {'; '.join(found)}.", "Stop ffsweb, keep the file, and restore a backup."
        )
    if mode.lower() != "wal":
        return fail(
            f"The journal mode is {mode}.", "Processes would lock each other out. Is FFSWEB_DATA on a local disk?"
        )
    return ok("quick_check finds nothing; the journal mode is WAL.")


def _ask(cursor: Any) -> Server:
    before = time.time()
    cursor.execute(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
        "extract(epoch from clock_timestamp())::float8, current_setting('synchronous_commit')"
    )
    number, text, told, commits = cursor.fetchone()
    return Server(int(number), str(text), float(told) - (before + time.time()) / 2, str(commits))
