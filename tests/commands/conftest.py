"""A dashboard that listens, its worker, and the commands as a shell calls them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from django.db import connections
from pytest_django import Settings

from ffsweb import cli
from ffsweb.accounts import tokens
from ffsweb.accounts.models import Role
from ffsweb.commands import client, following
from ffsweb.intake import Application
from ffsweb.operations import runner, tail
from ffsweb.operations.models import Operation
from ffsweb.operations.route import LiveStreams, Streams
from tests.deployments.conftest import data, fleet, site
from tests.deployments.push_site import Site
from tests.operations.processes import wait_until

__all__ = ["data", "fleet", "site"]


@dataclass
class Done:
    """What a command left: its exit code, and what it put out."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Ffs = Callable[..., Done]


class Dashboard:
    """The web process, in a thread; it can be stopped and started at the same port."""

    def __init__(self) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.streams = Streams()
        application = LiveStreams(Application(), self.streams)
        config = uvicorn.Config(
            application,
            port=self.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        wait_until(lambda: self._server.started, what="the dashboard listening")

    def _serve(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server._serve()

        asyncio.run(main())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.streams.end)
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def dashboard(site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    monkeypatch.setattr(tail, "LINGER", 0.2)
    made = Dashboard()
    made.start()
    yield made
    made.stop()
    wait_until(lambda: not tail._readers, what="the readers leaving")


@pytest.fixture
def worker(site: Site) -> Iterator[None]:
    """Runs what is asked for, one after the other."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.05):
                for operation in Operation.objects.filter(state="queued").order_by("pk"):
                    runner.run(operation.pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join(30)


@pytest.fixture
def ffs(dashboard: Dashboard, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ffs:
    """Calls a command with a token of alice's."""
    made = tokens.make(actor=site.fleet.alice, project=None, name="laptop", role=Role.ADMIN, days=7)
    monkeypatch.setenv("FFSWEB_URL", dashboard.url)
    monkeypatch.setenv("FFSWEB_TOKEN", made.text)
    monkeypatch.setattr(client, "PAUSE", 0.05)
    monkeypatch.setattr(following, "AGAIN", 0.05)

    def called(*arguments: str) -> Done:
        capsys.readouterr()
        code = cli.main(list(arguments))
        return Done(code, *capsys.readouterr())

    return called
