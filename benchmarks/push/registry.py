"""Debian's docker-registry on a port of 127.0.0.1, keeping its files below a directory."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Final

from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

START: Final = 30.0


class Registry:
    """Runs until :meth:`close`; raises LabError if it is not installed or does not start."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        if shutil.which("docker-registry") is None:
            raise LabError("docker-registry is not installed (Debian's package of that name)")
        directory.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        settings, self._log = directory / "registry.yml", directory / "log"
        settings.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ("docker-registry", "serve", str(settings)), env=environment, stdout=log, stderr=log
            )
        self._wait()

    def close(self) -> None:
        """End it; its files stay."""
        self._process.terminate()
        self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    self.close()
                    raise LabError(f"the registry did not start: {self._log.read_text()[-1000:]}") from error
                time.sleep(0.1)
            else:
                return
