"""A consistent copy of the PostgreSQL database while everything runs: the rows of each table, by COPY.

Not by pg_dump: it would have to be installed wherever ffsweb is, in a version that is not older than the server; and
what pg_restore reads is SQL, which somebody who can make a backup (the public key is enough) could have written. Rows
are rows. The tables come from the migrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection, transaction
from psycopg import sql

from ffsweb.backup.errors import NotMade, NotRestored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

MIGRATIONS = "django_migrations"
_COLUMNS = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
    ORDER BY c.table_name, c.ordinal_position
"""
_SEQUENCES = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND (is_identity = 'YES' OR column_default LIKE 'nextval(%%')
"""


def columns() -> dict[str, list[str]]:
    """The columns of each table with rows of ours, in order."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        for table, column in cursor.fetchall():
            found.setdefault(table, []).append(column)
    found.pop(MIGRATIONS, None)
    return found


def snapshot(directory: Path, also: Callable[[], None]) -> dict[str, list[str]]:
    """Write the rows of every table to a file of its name, all as of one moment; the columns of each.

    ``also`` is called at the same moment of the database. Raises NotMade.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            also()
            tables = columns()
            for table, names in tables.items():
                with (directory / table).open("wb") as file, _copy(cursor, table, names, "TO STDOUT") as rows:
                    for piece in rows:
                        file.write(piece)
    except DatabaseError as error:
        msg = f"The database could not be copied: {str(error).strip()}. No backup was made."
        raise NotMade(msg) from error
    return tables


def load(tables: Mapping[str, Sequence[str]], directory: Path) -> None:
    """Replace all rows by those of the files; the schema is there. To be called in a transaction.

    Raises NotRestored where tables or columns are others than the schema's.
    """
    if {table: sorted(names) for table, names in tables.items()} != {k: sorted(v) for k, v in columns().items()}:
        msg = "The tables in this backup are others than those of its version of ffsweb. Nothing was restored."
        raise NotRestored(msg)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        cursor.cursor.execute(sql.SQL("TRUNCATE {}").format(names))
        for table, fields in tables.items():
            with (directory / table).open("rb") as file, _copy(cursor, table, fields, "FROM STDIN") as rows:
                while piece := file.read(1 << 20):
                    rows.write(piece)
        _reset_sequences(cursor)


def _reset_sequences(cursor: Any) -> None:
    cursor.execute(_SEQUENCES)
    for table, column in cursor.fetchall():
        if table != MIGRATIONS:
            query = "SELECT setval(pg_get_serial_sequence({0}, {1}), COALESCE(MAX({2}), 0) + 1, false) FROM {3}"
            cursor.cursor.execute(
                sql.SQL(query).format(
                    sql.Literal(f'"{table}"'), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
                )
            )


def _copy(cursor: Any, table: str, names: Sequence[str], how: str) -> AbstractContextManager[Iterator[bytes] | Any]:
    fields = sql.SQL(", ").join(map(sql.Identifier, names))
    query = sql.SQL("COPY {} ({}) " + how).format(sql.Identifier(table), fields)
    return cursor.cursor.copy(query)  # type: ignore[no-any-return]
