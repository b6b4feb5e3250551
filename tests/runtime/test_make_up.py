"""The README's first command, from a fresh checkout: it sets everything up, serves, and ends at Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UP, DOWN = 400.0, 10.0
"""Seconds: the first start fetches what is locked; the end is promised within ten."""

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout"),
    pytest.mark.timeout(int(UP) + 60),
]


class Checkout:
    """The files that git knows of, without anything that a command has made, and ``make up`` in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for name in names.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, directory / name)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        unset = ("FFSWEB_", "PYTEST_", "DATABASE_", "VIRTUAL_ENV", "UV_PROJECT", "MAKE", "MFLAGS")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        self.log = directory.parent / "make-up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["make", "up"],
                cwd=directory,
                env={**clean, "FFSWEB_ADDRESS": self.address},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def link(self) -> str:
        end = time.monotonic() + UP
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"http://\S+/account/first/\S+", self.log.read_text()):
                return found[0]
            time.sleep(0.2)
        pytest.fail(f"no link in:\n{self.log.read_text()}")

    def get(self, address: str) -> tuple[int, str]:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    (tmp_path / "ffsweb").mkdir()
    made = Checkout(tmp_path / "ffsweb")
    yield made
    with suppress(ProcessLookupError):
        os.killpg(made.process.pid, signal.SIGKILL)
    made.process.wait()


def test_make_up_from_a_fresh_checkout_serves_and_ctrl_c_ends_it(checkout: Checkout) -> None:
    assert not (checkout.directory / ".venv").exists()
    link = checkout.link()
    assert checkout.get(f"http://{checkout.address}/readyz")[0] == 200
    status, page = checkout.get(link)
    assert (status, "administrator" in page) == (200, True)
    assert (checkout.directory / "var/keys/secret_key").stat().st_mode & 0o777 == 0o600
    began = time.monotonic()
    os.killpg(checkout.process.pid, signal.SIGINT)  # as a terminal does: to make and all that it started
    checkout.process.wait(DOWN + 10)
    assert time.monotonic() - began < DOWN
    left = subprocess.run(["pgrep", "-g", str(checkout.process.pid)], capture_output=True, text=True, check=False)
    assert left.stdout == ""
