"""A fresh installation in its own directories: real processes, started as ``make up`` starts them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FFS = (sys.executable, "-m", "ffsweb.cli")


class Installation:
    """A fresh installation in its own directories, and what its supervisor says."""

    def __init__(self, root: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_", "DATABASE_"))}
        self.address = f"http://127.0.0.1:{port}"
        self.environment = {
            **clean,
            "FFSWEB_DATA": f"{root}/data",
            "FFSWEB_KEYS": f"{root}/keys",
            "FFSWEB_STATIC": f"{root}/static",
            "FFSWEB_ADDRESS": f"127.0.0.1:{port}",
        }
        self.log, self.status = root / "log", root / "status.json"
        self.process: subprocess.Popen[bytes] | None = None

    def ffs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FFS, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=200
        )

    def up(self, *options: str, **environment: str) -> None:
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*FFS, *(options or ("--watchdog",)), "--status", str(self.status)],
                env={**self.environment, **environment},
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def wait_for(self, pattern: str, seconds: float = 120, start: int = 0) -> re.Match[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.compile(pattern).search(self.log.read_text(), start)
            if found:
                return found
            time.sleep(0.1)
        pytest.fail(f"no {pattern!r} in:\n{self.log.read_text()}")

    def pids(self) -> dict[str, int]:
        return {child["name"]: child["pid"] for child in json.loads(self.status.read_text())["children"]}

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError as error:
            error.add_note(f"The log of the installation:\n{self.log.read_text()[-5000:]}")
            raise

    def down(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def prepare(self) -> None:
        """Migrate and collect static files, as ``make up`` does first."""
        for command in (
            ("migrate", "--verbosity", "0"),
            ("manage", "collectstatic", "--no-input", "--verbosity", "0"),
        ):
            done = self.ffs(*command)
            assert done.returncode == 0, done.stderr
