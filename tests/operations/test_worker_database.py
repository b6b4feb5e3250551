"""A database that goes away under a running operation, for less and for longer than a lease."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import postgres
from tests.support.requirements import lacking

from .processes import ROOT, RedisServer, Worker, wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]
SETTINGS = "tests.operations.process_settings"
"""A lease of three seconds."""
ENQUEUE = """
import json, sys
from ffsweb.accounts.models import Project
from ffsweb.operations import services
kind, params = json.loads(sys.argv[1])
project, _ = Project.objects.get_or_create(name="serbest")
print(services.enqueue(kind=kind, project=project, actor=None, title=kind, params=params, targets=[], holds=["a"]).pk)
"""


class Installation:
    """A database server of its own, a Valkey, and workers on them; asked in SQL, since Django here has another one."""

    def __init__(self, database: postgres.Server, redis: RedisServer, tmp_path: Path) -> None:
        self.database, self.redis = database, redis
        self.world = tmp_path / "world"
        self.number = 0
        self._log = tmp_path / "worker.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FFSWEB_"))},
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "DATABASE_URL": database.url,
            "FFSWEB_REDIS_URL": redis.url,
            "FFSWEB_PROCESS": "worker",
        }
        self._django("from django.core.management import call_command; call_command('migrate', verbosity=0)")

    def worker(self) -> Worker:
        worker = Worker(self.redis.url, self._log, DATABASE_URL=self.database.url)
        worker.wait_ready()
        return worker

    def enqueue(self, kind: str, **params: Any) -> None:
        """The operation that is asked for from now on."""
        self.world.write_text("")
        self.number = int(self._django(ENQUEUE, json.dumps([kind, {"world": str(self.world), **params}])))

    def tick(self) -> None:
        self._django("from ffsweb.operations import services; services.tick()")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(query).fetchall()

    def state(self) -> tuple[Any, ...]:
        return self.ask(f"SELECT state, attempt, message FROM operations_operation WHERE id = {self.number}")[0]

    def lines(self) -> list[str]:
        wanted = f"operation_id = {self.number} ORDER BY number"
        rows = self.ask(f"SELECT number, text FROM operations_logline WHERE {wanted}")
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return [text for _, text in rows]

    def acts(self) -> list[str]:
        return self.world.read_text().splitlines()

    def ended(self) -> bool:
        return self.state()[0] not in {"queued", "running", "parked"}

    def _django(self, code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django\ndjango.setup()\n{code}", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().rpartition("\n")[2]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all: its worker outlives every outage."""
    directory = tmp_path_factory.mktemp("database")
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(postgres.server(durable=True))
        except postgres.NotHere as reason:
            lacking("postgres", str(reason))
        redis = stack.enter_context(contextlib.closing(RedisServer(directory)))
        redis.start()
        made = Installation(database, redis, directory)
        worker = made.worker()
        stack.callback(worker.kill)
        yield made
        assert worker.process.poll() is None


@pytest.mark.parametrize("kind", ["sample.count", "sample.queries"])
def test_a_database_that_is_back_before_the_lease_is_over_stops_nothing(
    installation: Installation, kind: str
) -> None:
    installation.enqueue(kind, steps=10, lines=400, pause=0.2)
    wait_until(lambda: len(installation.acts()) >= 2, what="two steps")
    installation.database.stop()
    installation.database.start()
    wait_until(installation.ended, seconds=40, what="the end")
    assert installation.state()[0] == "succeeded", installation.state()
    assert sorted(set(installation.acts())) == sorted(f"step {number}" for number in range(10))
    assert len(installation.acts()) <= 11  # a step whose evidence was lost on its way is looked at again
    texts = installation.lines()
    if kind == "sample.queries":
        assert installation.state()[1] == 2
    else:  # it asks the database for nothing by itself, and notices nothing
        assert installation.state()[1] == 1
        assert texts == [*(f"step {step}: {line}" for step in range(10) for line in range(40)), "Succeeded. Counted."]
    assert installation.ask("SELECT count(*) FROM operations_hold") == [(0,)]


def test_a_database_that_is_away_for_longer_than_the_lease_costs_the_claim_and_nothing_else(
    installation: Installation,
) -> None:
    installation.enqueue("sample.count", steps=10, lines=400, pause=0.3)
    wait_until(lambda: len(installation.acts()) >= 2, what="two steps")
    seen = installation.lines()
    installation.database.stop()
    time.sleep(4.0)
    acts = installation.acts()
    time.sleep(1.0)
    assert installation.acts() == acts  # nothing goes on under a lease that counts no more
    installation.database.start()

    def ticked_and_ended() -> bool:
        installation.tick()
        return installation.ended()

    wait_until(ticked_and_ended, seconds=60, what="another claim going on to the end")
    assert installation.state()[:2] == ("succeeded", 2)
    texts = installation.lines()
    assert texts[: len(seen)] == seen
    assert "The worker that ran this vanished. Another one goes on with what is not done yet." in texts
    assert sorted(set(installation.acts())) == sorted(f"step {number}" for number in range(10))
    assert len(installation.acts()) <= 11
