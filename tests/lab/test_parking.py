"""The dashboard ends in the middle of a deploy, by Ctrl-C or by ``kill -9`` of its worker, and goes on with it."""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import os
import re
import signal
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployed import get, wait_for
from tests.lab.lab import Lab
from tests.lab.nodes import Node
from tests.lab.parking_rows import PASSWORD
from tests.support.installation import Installation

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ENDED = ("succeeded", "failed", "rolled_back", "cancelled", "unknown", "needs_hands")


class Visitor:
    """Alice's browser, as far as it matters here."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def log_in(self) -> None:
        page = self.open("/account/login/").read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None, page
        fields = {"csrfmiddlewaretoken": token[1], "login": "alice", "password": PASSWORD}
        answer = self.open("/account/login/", urllib.parse.urlencode(fields).encode())
        assert not answer.url.endswith("/login/"), answer.read().decode()

    def open(self, path: str, data: bytes | None = None) -> Any:
        request = urllib.request.Request(self._address + path, data, {"Referer": self._address + path})
        return self._opener.open(request, timeout=30)


class Stream:
    """An open log: its lines by number as they come, over however many connections."""

    def __init__(self, visitor: Visitor, operation: int) -> None:
        self._visitor, self._operation = visitor, operation
        self.numbers: list[int] = []
        self.connections = 0
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.done.is_set():
            try:
                self._follow()
            except (OSError, http.client.HTTPException):
                time.sleep(0.3)

    def _follow(self) -> None:
        after = self.numbers[-1] if self.numbers else 0
        with self._visitor.open(f"/operations/{self._operation}/events?after={after}") as answer:
            if answer.status == 204:
                self.done.set()
                return
            self.connections += 1
            name = ""
            for raw in answer:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data" and not name:
                    self.numbers += [line["n"] for line in json.loads(value)]
                elif not field:
                    if name == "done":
                        self.done.set()
                        return
                    name = ""


class Dashboard(Installation):
    """An installation of its own with one lab node, and its rows as they are on disk."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._database = root / "data" / "ffsweb.sqlite3"
        self.node: Node

    def rows(self, call: str) -> dict[str, Any]:
        """What a function of ``parking_rows`` printed."""
        done = self.ffs("manage", "shell", "-c", f"from tests.lab import parking_rows; parking_rows.{call}")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def state(self, operation: int) -> str:
        return str(self.ask("SELECT state FROM operations_operation WHERE id=?", operation)[0][0])

    def log_lines(self, operation: int) -> list[tuple[int, str]]:
        query = "SELECT number, text FROM operations_logline WHERE operation_id=? ORDER BY number"
        return [(number, text) for number, text in self.ask(query, operation)]

    def until_line(self, operation: int, text: str, times: int = 1) -> None:
        def told() -> bool:
            return sum(text in line for _, line in self.log_lines(operation)) >= times

        wait_for(told, f"{text!r} in the log", 90)

    def until_bytes(self, operation: int) -> None:
        """Bytes of the image have gone to the node."""
        query = "SELECT bytes_done FROM operations_operationtarget WHERE operation_id=?"
        end = time.monotonic() + 90
        while not self.ask(query, operation)[0][0]:
            assert time.monotonic() < end, self.log_lines(operation)
            time.sleep(0.02)

    def ended(self, operation: int, seconds: float = 240) -> str:
        wait_for(lambda: self.state(operation) in ENDED, f"the end of operation {operation}", seconds)
        return self.state(operation)

    def is_live(self, operation: int, number: int) -> None:
        """It succeeded, its log has neither gap nor double, the release runs, and the node switched once for it."""
        log = self.log_lines(operation)
        assert self.ended(operation) == "succeeded", log
        log = self.log_lines(operation)
        assert [line for line, _ in log] == list(range(1, len(log) + 1))
        assert log[-1][1] == f"Succeeded. Release {number} is live on www@parking."
        assert get(self.node)["version"] == f"{number}.0"
        query = "SELECT number FROM deployments_service s JOIN deployments_release r ON r.id=s.live_release_id"
        assert self.ask(query) == [(number,)]
        records = self.node.exec(("ls", "/var/lib/ffs-node/ops")).check().out.split()
        assert len([name for name in records if name.endswith(f"-{operation}.www")]) == 1
        assert not [name for name in records if re.search(rf"-{operation}-\d+\.www$", name)]
        told = self.node.read_text(
            f"/var/lib/ffs-node/ops/{next(n for n in records if n.endswith(f'-{operation}.www'))}/switch.events"
        )
        assert told.count("Replacing the unit") == 1


@pytest.fixture
def dashboard(lab: Lab, tmp_path: Path, sample_image: Callable[..., Path]) -> Iterator[Dashboard]:
    made = Dashboard(tmp_path)
    made.prepare()
    made.node = lab.up("parking", made.rows("describe()")["ignition"])
    made.rows(f"place('{made.node.address}')")
    yield made
    made.down()
    made.node.remove()


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def press_ctrl_c(dashboard: Dashboard) -> float:
    """SIGINT to the foreground's process group; seconds until nothing runs any more."""
    assert dashboard.process is not None
    pids, began = dashboard.pids(), time.monotonic()
    os.killpg(dashboard.process.pid, signal.SIGINT)
    assert dashboard.process.wait(30) == 0
    seconds = time.monotonic() - began
    assert not [name for name, pid in pids.items() if running(pid)]
    return seconds


def test_ctrl_c_parks_a_deploy_under_an_open_log_and_the_next_start_finishes_it(dashboard: Dashboard) -> None:
    dashboard.up()
    dashboard.wait_for("supervisor: ready")
    visitor = Visitor(dashboard.address)
    visitor.log_in()

    # While the image is pushed.
    operation = dashboard.rows("request(1)")["operation"]
    stream = Stream(visitor, operation)
    dashboard.until_bytes(operation)
    wait_for(lambda: bool(stream.numbers), "the first line on the stream", 20)
    assert press_ctrl_c(dashboard) < 10
    assert dashboard.state(operation) == "parked"
    assert dashboard.log_lines(operation)[-1][1] == "Parked: the worker is stopping; goes on at the next start."

    dashboard.up()
    dashboard.is_live(operation, 1)
    assert stream.done.wait(30)
    assert stream.connections >= 2
    assert stream.numbers == [number for number, _ in dashboard.log_lines(operation)]

    # While the gate watches.
    operation = dashboard.rows("request(2)")["operation"]
    stream = Stream(visitor, operation)
    dashboard.until_line(operation, "Switching to release 2")
    wait_for(lambda: get(dashboard.node)["version"] == "2.0", "release 2 answers", 60)
    assert press_ctrl_c(dashboard) < 10
    assert dashboard.state(operation) == "parked"
    dashboard.up()
    dashboard.is_live(operation, 2)
    assert stream.done.wait(30)
    assert stream.numbers == [number for number, _ in dashboard.log_lines(operation)]
    assert "Traceback" not in dashboard.log.read_text()


def test_a_deploy_outlives_its_worker_which_is_killed_while_it_stages_and_while_it_watches(
    dashboard: Dashboard,
) -> None:
    dashboard.environment["DJANGO_SETTINGS_MODULE"] = "tests.lab.short_lease"
    dashboard.up()
    dashboard.wait_for("supervisor: ready")

    operation = dashboard.rows("request(1)")["operation"]
    dashboard.until_bytes(operation)
    os.kill(dashboard.pids()["worker"], signal.SIGKILL)
    assert dashboard.state(operation) == "running"
    dashboard.until_line(operation, "The worker that ran this vanished.")
    dashboard.is_live(operation, 1)

    operation = dashboard.rows("request(2)")["operation"]
    dashboard.until_line(operation, "Switching to release 2")
    wait_for(lambda: get(dashboard.node)["version"] == "2.0", "release 2 answers", 60)
    os.kill(dashboard.pids()["worker"], signal.SIGKILL)
    assert dashboard.state(operation) == "running"
    dashboard.until_line(operation, "The worker that ran this vanished.")
    dashboard.is_live(operation, 2)
    assert dashboard.ffs("audit", "verify").returncode == 0
