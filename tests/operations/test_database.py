"""A process that is frozen within a transaction: PostgreSQL ends its session, and the run asks again."""

from __future__ import annotations

import time
from contextlib import closing

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from ffsweb.operations.database import is_away
from ffsweb.operations.models import Operation


@pytest.fixture
def on_postgresql(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could end a session")


def test_it_keeps_its_rows_from_nobody(enqueue, world, on_postgresql) -> None:
    operation = enqueue("sample.wait", world=str(world))
    parameters = connection.get_connection_params()
    assert "idle_in_transaction_session_timeout=20s" in parameters["options"]
    parameters["options"] = "-c idle_in_transaction_session_timeout=1s"
    with closing(psycopg.connect(**parameters)) as frozen:
        frozen.execute("SELECT * FROM operations_operation WHERE id = %s FOR UPDATE", [operation.pk])
        assert Operation.objects.filter(pk=operation.pk).update(sent_at=Now()) == 1  # after a second


def test_what_it_is_told_then_is_that_the_database_was_away(on_postgresql) -> None:
    with pytest.raises(DatabaseError) as told, transaction.atomic():
        connection.cursor().execute("SET idle_in_transaction_session_timeout = '100ms'")
        time.sleep(0.5)
        Operation.objects.exists()
    assert is_away(told.value)
    connection.close()
    assert not Operation.objects.exists()


def test_a_database_that_is_away_is_told_from_one_that_refuses() -> None:
    assert is_away(OperationalError()) and is_away(InterfaceError())
    assert not is_away(IntegrityError()) and not is_away(DatabaseError()) and not is_away(ValueError())
