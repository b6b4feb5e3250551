"""The demo's installation: started, asked whether it is well, and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.demo.failed import DemoFailed
from tests.support.installation import Installation

START_SECONDS = 90.0


class NotRunning(DemoFailed):
    """The dashboard did not start, or ended; the text holds what it said last."""


@contextmanager
def running(root: Path, *, address: str = "", **environment: str) -> Iterator[Installation]:
    """A dashboard with its data below ``root``, ready; stopped at the end. ``address``: HOST:PORT, else a free one."""
    installation = Installation(root)
    installation.environment |= environment
    if address:
        installation.address = f"http://{address}"
        installation.environment["FFSWEB_ADDRESS"] = address
    installation.prepare()
    try:
        installation.up()
        _wait_ready(installation)
        yield installation
    finally:
        installation.down()


def alive(installation: Installation) -> None:
    """Raise NotRunning with the end of its log if the dashboard has ended."""
    if installation.process is None or installation.process.poll() is not None:
        raise NotRunning(f"The dashboard ended. It said last:\n{installation.log.read_text()[-3000:]}")


def _wait_ready(installation: Installation) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        alive(installation)
        try:
            if installation.get("/readyz")[0] == 200:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise NotRunning(f"The dashboard was not ready in time. It said:\n{installation.log.read_text()[-3000:]}")


def join(installation: Installation) -> None:
    """Make this process one of the installation's commands: its database, its keys, its messages."""
    os.environ.update(installation.environment)
    os.environ["FFSWEB_LOG_LEVEL"] = "WARNING"
    from ffsweb.runtime.loading import load_django

    load_django("command")
