"""``ffs web``: the pages, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import socket
import warnings
from collections.abc import Callable
from typing import Any, Final

import structlog
import uvicorn

from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import refuse
from ffsweb.runtime.prepare import load_safely

logger = structlog.get_logger(__name__)
QUESTION: Final = "/livez"
"""What the process asks itself: a page that looks at nothing but the process, see ``ffsweb.health``."""
GRACE = 3
"""Seconds that open requests (event streams above all, which never end by themselves) get at the end."""


class BeatingServer(uvicorn.Server):
    """uvicorn that beats as long as it answers requests, from the moment it listens.

    It asks itself, without a connection: the event loop must turn and a thread must be had, as for any other request.
    ``at_end`` is called when it begins to end.
    """

    def __init__(
        self, config: uvicorn.Config, heartbeat: Heartbeat, at_end: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._heartbeat = heartbeat
        self._at_end = at_end

    async def main_loop(self) -> None:
        """Serve until the end."""
        # What was loaded stays: without this the collector looks through it now and then, a tenth of a second long.
        gc.freeze()
        beating = asyncio.create_task(self._beat())
        try:
            await super().main_loop()
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what never ends by itself, then wait for what is open."""
        self._at_end()
        await super().shutdown(sockets)

    async def _beat(self) -> None:
        while True:
            try:
                status = await ask(self.config.loaded_app)
            except Exception:  # the next time may be better; without a beat, the supervisor decides
                logger.exception("own_question_failed", path=QUESTION)
            else:
                if 0 < status < 500:
                    self._heartbeat.beat()
                else:
                    logger.error("own_question_failed", path=QUESTION, status=status)
            await asyncio.sleep(self._heartbeat.every)


async def ask(application: Any) -> int:
    """Have the ASGI application answer a request for QUESTION; returns the status, 0 if it said none."""
    status = 0

    async def receive() -> dict[str, Any]:
        if asked:
            await asyncio.Event().wait()  # a client that waits for its answer
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])

    asked: list[bool] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": QUESTION,
        "raw_path": QUESTION.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    await application(scope, receive, send)
    return status


def run(arguments: list[str]) -> int:
    """Serve on FFSWEB_ADDRESS until a signal comes."""
    if arguments:
        refuse("ffs web takes no arguments; see docs/settings.md for FFSWEB_ADDRESS.")
    heartbeat = Heartbeat.taken_from(os.environ)
    # WhiteNoise hands files to ASGI as synchronous iterators; they are small, and read at once.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    values = load_safely("web")
    _allow_many_sockets()
    config = uvicorn.Config(
        "ffsweb.asgi:application",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # ffsweb.asgi does it, so that the request's id is chosen before
        timeout_graceful_shutdown=GRACE,
    )
    with _listening(values.host, values.port) as listener, contextlib.suppress(KeyboardInterrupt):
        BeatingServer(config, heartbeat, _end_streams).run(sockets=[listener])
    return 0


def _end_streams() -> None:
    from ffsweb.operations.route import streams  # it needs the applications

    streams.end()


def _allow_many_sockets() -> None:
    """As many open files as may be had without asking: the usual 1,024 are fewer than the event streams."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        refuse(f"FFSWEB_ADDRESS {host} port {port} cannot be listened on: {error.strerror}. Is it taken?")
