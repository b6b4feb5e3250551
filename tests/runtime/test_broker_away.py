"""Worker and beat with a real broker that hangs, dies and comes back: told of, never a reason to restart them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from deployments.nodekit.supervisor.child import heard
from ffsweb.runtime.broker import AWAY

REDIS = shutil.which("valkey-server") or shutil.which("redis-server")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(REDIS is None, reason="neither valkey-server nor redis-server is installed"),
]
WITH_TWO_THREADS = """
import threading
from ffsweb.runtime import pool, worker
from ffsweb.runtime.loading import load_django
load_django("worker")
from celery import Task
from ffsweb.celery import app
pool.STILL, app.conf.worker_concurrency, deadlock = 2.0, 2, threading.Lock()
deadlock.acquire()

@app.task(name="tests.stick", base=Task)  # ours asks the database first, which has no tables here
def stick():
    print("stuck", flush=True)
    deadlock.acquire()

worker.run([])
"""


class Place:
    """A broker in its own directory, and one process of ours with the reading end of its heartbeats."""

    def __init__(self, root) -> None:
        self.socket, self.root = f"{root}/s", root
        self.broker: subprocess.Popen[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.reading = -1
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_", "DATABASE_"))}
        self.environment = {
            **clean,
            "FFSWEB_DATA": f"{root}/data",
            "FFSWEB_KEYS": f"{root}/keys",
            "FFSWEB_REDIS_URL": f"unix://{self.socket}",
        }
        subprocess.run([sys.executable, "-m", "ffsweb.cli", "prepare"], env=self.environment, check=True, timeout=100)

    def start_broker(self) -> None:
        options = ("--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", str(self.root))
        self.broker = subprocess.Popen([str(REDIS), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, *command: str) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(self.reading, False)
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env={**self.environment, "FFS_HEARTBEAT_FD": str(writing), "FFS_HEARTBEAT_INTERVAL": "2"},
                pass_fds=(writing,),
                stdout=log,
                stderr=log,
            )
        os.close(writing)

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.reading, 65536)
        return b""

    def wait_for(self, word: str, seconds: float = 90) -> None:
        """Until the last word is this one; no silence before it is as long as what the supervisor bears."""
        end = time.monotonic() + seconds
        while heard(self.read()) != word:
            assert self.process is not None
            assert self.process.poll() is None, (self.root / "log").read_text()
            assert time.monotonic() < end, (self.root / "log").read_text()
            time.sleep(0.1)

    def end(self) -> None:
        for process in (self.process, self.broker):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        if self.reading >= 0:
            os.close(self.reading)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.end()


@pytest.mark.parametrize("command", ["worker", "beat"])
def test_a_broker_that_is_away_at_the_start_hangs_dies_and_comes_back(place, command):
    place.start("-m", "ffsweb.cli", command)
    place.wait_for(AWAY)
    place.start_broker()
    place.wait_for("")

    place.broker.send_signal(signal.SIGSTOP)  # it still takes connections
    place.wait_for(AWAY)
    place.broker.send_signal(signal.SIGCONT)
    place.wait_for("")

    place.broker.kill()
    place.broker.wait()
    place.wait_for(AWAY)
    place.start_broker()
    place.wait_for("")


def test_a_worker_of_which_every_thread_is_stuck_beats_no_more(place):
    from celery import Celery

    place.start_broker()
    place.start("-c", WITH_TWO_THREADS)
    place.wait_for("")
    sender = Celery(broker=f"redis+socket://{place.socket}")
    sender.conf.task_default_queue = "ffsweb"
    with sender.connection_for_write() as connection:
        for _ in range(2):
            sender.send_task("tests.stick", connection=connection)
    end = time.monotonic() + 60
    while (place.root / "log").read_text().count("stuck") < 2:
        assert time.monotonic() < end, (place.root / "log").read_text()
        time.sleep(0.1)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 5:  # it beats every second
        if place.read():
            quiet_since = time.monotonic()
        assert time.monotonic() < end, "it beats on"
        time.sleep(0.1)
    assert place.process.poll() is None
