"""The event streams' way past Django: an ASGI application in front of Django's.

Django's handler keeps a thread for each request until its answer is complete, which is for ever for a stream. So
Django answers the request as any other, with every middleware and the view's own checks; what it says if it refuses
is passed on as it is. When the view admits it (:func:`hand_over`), Django's headers are sent, its request ends, and
the events are sent from here: a stream holds no thread and no connection to the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from django.http import HttpRequest

from .limits import ADMITTED_AT_ONCE
from .stream import Admission, Viewer

logger = structlog.get_logger(__name__)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ENDING: Final = "/events"
HANDOVER: Final = "ffsweb.stream"
LOOK_EVERY: Final = 0.1


class Handover:
    """In the scope of a request that may become a stream."""

    def __init__(self) -> None:
        self.admission: Admission | None = None


def hand_over(request: HttpRequest, admission: Admission) -> bool:
    """Have the events sent once the view has answered with their headers. False if nobody is there to send them."""
    handover = getattr(request, "scope", {}).get(HANDOVER)
    if not isinstance(handover, Handover):
        return False
    handover.admission = admission
    return True


class Streams:
    """The viewers of this process, and the clock that looks after them."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._clock: asyncio.TimerHandle | None = None
        self._ended = False

    def add(self, viewer: Viewer) -> None:
        """Look after it, until :meth:`remove`."""
        if self._ended:
            viewer.end()
        if not self._viewers:
            self._tick_again()
        self._viewers.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """It has left."""
        self._viewers.discard(viewer)
        if not self._viewers and self._clock is not None:
            self._clock.cancel()

    def end(self) -> None:
        """The server goes: every stream ends, those that begin now at once, and the browsers come back later."""
        self._ended = True
        for viewer in self._viewers:
            viewer.end()

    def _tick(self) -> None:
        now = time.monotonic()
        for viewer in self._viewers:
            viewer.look(now)
        self._tick_again()

    def _tick_again(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(LOOK_EVERY, self._tick)


class LiveStreams:
    """``application`` with streams. ``streams``: the viewers that are looked after."""

    def __init__(self, application: Callable[..., Awaitable[None]], streams: Streams) -> None:
        self._application = application
        self._streams = streams
        self._admitting = asyncio.Semaphore(ADMITTED_AT_ONCE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].endswith(ENDING):
            return await self._application(scope, receive, send)
        handover = Handover()
        answer = _Answer(handover, send)
        try:
            async with self._admitting:  # each takes a thread for as long as Django looks at it
                await self._application({**scope, HANDOVER: handover}, receive, answer)
            if handover.admission is not None and answer.streams:
                await self._stream(handover.admission, receive, send)
        finally:
            if handover.admission is not None:
                handover.admission.slot.release()

    async def _stream(self, admission: Admission, receive: Receive, send: Send) -> None:
        async def say(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        def cut() -> None:
            logger.info("stream_cut", operation=admission.operation_id, reason="its client takes nothing")
            _abort(send)

        viewer = Viewer(admission, say, cut)
        leaving = asyncio.create_task(_end_when_gone(receive, viewer))
        self._streams.add(viewer)
        try:
            await viewer.watch()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.remove(viewer)
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving


class _Answer:
    """What Django answers: sent on, except that an admitted request's body is still to come."""

    def __init__(self, handover: Handover, send: Send) -> None:
        self._handover = handover
        self._send = send
        self.streams = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.streams = self._handover.admission is not None and message["status"] == 200
            if self.streams:
                headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
                message = {**message, "headers": headers}
        elif self.streams:
            return
        await self._send(message)


async def _end_when_gone(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()


def _abort(send: Send) -> None:
    """Cut the connection under uvicorn: whoever takes nothing does not take the end of the answer either."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


streams: Final = Streams()
