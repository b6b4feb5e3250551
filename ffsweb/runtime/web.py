"""``ffs web``: the pages, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import warnings

import uvicorn

from ffsweb.runtime.heartbeat import Heartbeat
from ffsweb.runtime.loading import environment, load_django, refuse

GRACE = 3
"""Seconds that open requests (event streams above all, which never end by themselves) get at the end."""


class BeatingServer(uvicorn.Server):
    """uvicorn whose event loop itself sends the heartbeats, from the moment it listens."""

    def __init__(self, config: uvicorn.Config, heartbeat: Heartbeat) -> None:
        super().__init__(config)
        self._heartbeat = heartbeat

    async def main_loop(self) -> None:
        """Serve until the end."""
        beating = asyncio.create_task(self._beat())
        try:
            await super().main_loop()
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def _beat(self) -> None:
        while True:
            self._heartbeat.beat()
            await asyncio.sleep(self._heartbeat.every)


def run(arguments: list[str]) -> int:
    """Serve on FFSWEB_ADDRESS until a signal comes."""
    if arguments:
        refuse("ffs web takes no arguments; see docs/settings.md for FFSWEB_ADDRESS.")
    heartbeat = Heartbeat.taken_from(os.environ)
    # WhiteNoise hands files to ASGI as synchronous iterators; they are small, and read at once.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    load_django("web")
    values = environment()
    config = uvicorn.Config(
        "ffsweb.asgi:application",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(values.trusted_proxies),
        forwarded_allow_ips=list(values.trusted_proxies),
        timeout_graceful_shutdown=GRACE,
    )
    with _listening(values.host, values.port) as listener, contextlib.suppress(KeyboardInterrupt):
        BeatingServer(config, heartbeat).run(sockets=[listener])
    return 0


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        refuse(f"FFSWEB_ADDRESS {host} port {port} cannot be listened on: {error.strerror}. Is it taken?")
