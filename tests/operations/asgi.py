"""A browser's side of the ASGI application: whole requests, and event streams that can be left at any moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from ffsweb.accounts.models import User
from ffsweb.operations.route import LiveStreams, Streams


def cookie_of(user: User) -> str:
    """A logged-in session's cookie, as a header."""
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@dataclass
class Event:
    """One server-sent event."""

    name: str
    data: str
    id: str


@dataclass
class Exchange:
    """One request, and what came back so far."""

    path: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    over: bool = False  # whether the application has returned
    complete: bool = False  # whether it has ended the answer
    streams: Streams = field(default_factory=Streams)

    def __post_init__(self) -> None:
        self._leave = asyncio.Event()
        self._news = asyncio.Event()
        self._sent = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Exchange:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave.set()
        assert self._task is not None
        await self._task

    async def until(self, condition: Any, seconds: float = 20.0) -> None:
        """Wait until ``condition(self)`` holds."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    def events(self) -> list[Event]:
        """The complete events so far."""
        found = []
        for block in self.body.split(b"\n\n")[:-1]:
            fields = [
                line.partition(": ") for line in block.decode().split("\n") if line and not line.startswith(":")
            ]
            values = {name: value for name, _, value in fields}
            if "data" in values:
                found.append(Event(values.get("event", ""), values["data"], values.get("id", "")))
        return found

    def lines(self) -> list[dict[str, Any]]:
        """The log lines so far, in the order in which they came."""
        return [line for event in self.events() if not event.name for line in json.loads(event.data)]

    def numbers(self) -> list[int]:
        """The numbers of those lines."""
        return [line["n"] for line in self.lines()]

    async def _run(self) -> None:
        parts = urlsplit(self.path)
        headers = {"host": "testserver", **({"cookie": self.cookie} if self.cookie else {}), **self.headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        try:
            await LiveStreams(ASGIHandler(), self.streams)(scope, self._receive, self._take)
        finally:
            self.over = True
            self._news.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._leave.wait()
        return {"type": "http.disconnect"}

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)
        self._news.set()


async def fetch(path: str, cookie: str = "", **headers: str) -> Exchange:
    """The whole answer to one request."""
    async with Exchange(path, cookie, headers) as exchange:
        await exchange.until(lambda it: it.over)
    return exchange
