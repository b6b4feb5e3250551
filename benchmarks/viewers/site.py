"""The dashboard that is measured: a fresh installation, people with sessions, and its web process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.operations.processes import RedisServer
from tests.support.installation import FFS, Installation

PER_PERSON: Final = 10
PATIENCE: Final = 120.0
PAGE: Final = "/operations/"
PEOPLE: Final = """
import json
from django.conf import settings
from django.test import Client
from ffsweb.accounts.models import Membership, Project, User
project = Project.objects.create(name="serbest")
cookies = []
for number in range({people}):
    user = User.objects.create_user(f"person-{{number}}")
    Membership.objects.create(user=user, project=project, role="viewer")
    client = Client()
    client.force_login(user)
    cookies.append(settings.SESSION_COOKIE_NAME + "=" + client.cookies[settings.SESSION_COOKIE_NAME].value)
print(json.dumps(cookies))
"""
NAIVE: Final = ("-m", "uvicorn", "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "1")


class Site:
    """An installation without processes; ``serving`` starts one."""

    def __init__(self, root: Path, database_url: str, viewers: int) -> None:
        self.installation = Installation(root)
        self.redis = RedisServer(root)
        self.redis.start()
        self.environment = self.installation.environment
        self.environment["FFSWEB_REDIS_URL"] = self.redis.url
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        self._run("prepare")
        self.installation.prepare()
        people = -(-viewers // PER_PERSON)
        self._sessions = json.loads(
            self._run("manage", "shell", "--verbosity", "0", "-c", PEOPLE.format(people=people))
        )

    def close(self) -> None:
        """End what it started."""
        self.redis.close()

    def cookies(self, viewers: int) -> list[str]:
        """One for each viewer; each person watches in a few windows."""
        return [self._sessions[number // PER_PERSON] for number in range(viewers)]

    @contextlib.contextmanager
    def serving(self, way: str) -> Iterator[Web]:
        """The web process of ``way``: ``ffsweb`` as the product starts it, or ``naive``."""
        port = int(self.environment["FFSWEB_ADDRESS"].rpartition(":")[2])
        argv = (*FFS, "web")
        if way == "naive":
            argv = (sys.executable, *NAIVE, "--port", str(port), "benchmarks.viewers.naive:application")
        environment = {**os.environ, **self.environment, "FFSWEB_PROCESS": "web"}
        with self.installation.log.open("wb") as log:
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + PATIENCE
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(
                        f"the web process did not come up: {self.installation.log.read_text()[-1000:]}"
                    )
                time.sleep(0.1)
            yield Web(process.pid, port)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()

    def _run(self, *arguments: str) -> str:
        done = self.installation.ffs(*arguments)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout


class Web:
    """A running web process, as the kernel sees it."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def status(self, field: str) -> int:
        """A number of /proc/PID/status; bytes if it has a unit."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        words = next(line for line in lines if line.startswith(f"{field}:")).split()
        return int(words[1]) * (1024 if words[2:] == ["kB"] else 1)

    def spent(self) -> float:
        """Seconds of processor time."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Pages:
    """Somebody who asks for an ordinary page four times a second, while the block lasts."""

    def __init__(self, port: int, cookie: str) -> None:
        self.seconds: list[float] = []
        self._request = urllib.request.Request(f"http://127.0.0.1:{port}{PAGE}", headers={"Cookie": cookie})
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.25):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self._request, timeout=60) as answer:
                    answer.read()
            except OSError:
                self.seconds.append(float("inf"))
            else:
                self.seconds.append(time.monotonic() - began)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
