"""``make demo`` as somebody runs it: until the link is printed, once through the link, and Ctrl-C."""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.left_behind import left_behind
from tests.lab.sessions import sessions_directory

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

READY = re.compile(r"(http://\S+)/account/first/\S+")
PASSWORD = "a-long-enough-password-for-tests"


class Demo:
    """A running demo and what it prints."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "tests.demo"), stdout=stream, stderr=stream, start_new_session=True
            )

    def wait_for(self, pattern: re.Pattern[str], seconds: float) -> re.Match[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if found := pattern.search(self.log.read_text()):
                return found
            time.sleep(0.2)
        pytest.fail(f"no {pattern.pattern!r} in:\n{self.log.read_text()}")

    def session(self) -> str:
        """The id of the lab session that the demo owns."""
        for record in sessions_directory().glob("*/session.json"):
            owner = json.loads(record.read_text())["owner"]
            if owner and owner["pid"] == self.process.pid:
                return record.parent.name
        pytest.fail("the demo owns no lab session")

    def directory(self) -> str:
        """Where the demo's dashboard has its data."""
        for entry in (
            Path("/proc", str(self.process.pid), "task", str(self.process.pid), "children").read_text().split()
        ):
            found = re.search(
                r"FFSWEB_DATA=([^\0]*)/data", Path("/proc", entry, "environ").read_text(errors="replace")
            )
            if found:
                return found[1]
        pytest.fail("the demo started no dashboard")


@pytest.fixture
def demo(tmp_path: Path, sample_image: Callable[..., Path]) -> Iterator[Demo]:
    for version in ("1.0", "2.0"):
        sample_image(version)
    started = Demo(tmp_path / "log")
    yield started
    if started.process.poll() is None:
        started.process.send_signal(signal.SIGTERM)
        started.process.wait(60)


def test_it_shows_a_live_service_and_leaves_nothing_behind(demo: Demo) -> None:
    link = demo.wait_for(READY, 200)
    session, directory = demo.session(), demo.directory()
    assert Path(directory).is_dir()
    assert re.search(r">\s*Live\s*<", board_after(link[0])), "the board does not say Live"
    began = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 0, demo.log.read_text()
    assert time.monotonic() - began < 45
    assert left_behind(session, sessions_directory() / session) == []
    assert not Path(directory).exists()
    assert processes_of(directory) == []


def board_after(link: str) -> str:
    """The fleet board as the administrator sees it whom the link makes."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(link, timeout=20) as answer:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
    assert token
    form = {"username": "ruth", "full_name": "Ruth", "password": PASSWORD, "password_again": PASSWORD}
    body = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token[1]}).encode()
    with opener.open(urllib.request.Request(link, body, {"Referer": link}), timeout=20) as answer:
        return str(answer.read().decode())


def processes_of(directory: str) -> list[str]:
    """Processes that carry the demo's directory in their environment or command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            try:
                if directory.encode() in (process / name).read_bytes():
                    found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
            except OSError:
                continue
    return found
