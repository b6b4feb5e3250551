"""What every test would pay for and none looks at: slow passwords, a broker that is away, a database emptied dearly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.contenttypes.management import create_contenttypes
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.models.signals import post_migrate

if TYPE_CHECKING:
    from collections.abc import Sequence


class QuickHasher(PBKDF2PasswordHasher):
    """The same algorithm in one round instead of a million; what it makes, the real one in a server's process checks."""

    iterations = 1


def quick_passwords() -> None:
    """For this process: a user with a password costs no half a second."""
    settings.PASSWORD_HASHERS = [f"{QuickHasher.__module__}.{QuickHasher.__qualname__}"]


def quick_broker() -> None:
    """For this process: a message goes into its memory. No broker would cost a tenth of a second for each operation."""
    from ffsweb.celery import app  # not before Django is set up

    app.conf.broker_url = "memory://"


def quick_flush() -> None:
    """After tests with transactions of their own: rows go, and Django's permissions, which nobody has, do not return."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
    DatabaseOperations.sql_flush = _delete  # type: ignore[method-assign]


_truncate = DatabaseOperations.sql_flush


def _delete(
    self: DatabaseOperations,
    style: Any,
    tables: Sequence[str],
    *,
    reset_sequences: bool = False,
    allow_cascade: bool = False,
) -> list[str]:
    """TRUNCATE makes new files for each of some hundred tables and indexes, and most of the tables are empty."""
    if reset_sequences or not tables:
        return list(_truncate(self, style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade))
    rows = (f"DELETE FROM {self.quote_name(table)}" for table in tables)
    return ["; ".join(("SET LOCAL session_replication_role = replica", *rows))]
