"""What comes in of one request, for Django or for the view itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ffsweb.web.uploads import BodyCut

Message = dict[str, Any]


class Incoming:
    """What comes in of one request. Once it was refused, all that still comes is thrown away.

    ``streamed``: the view reads it, by ``next_piece``.
    """

    def __init__(self, scope: Message, receive: Callable[[], Awaitable[Message]]) -> None:
        self.scope = scope
        self.given_up = self.streamed = False
        self._receive = receive
        self._ended = False

    async def next_piece(self) -> bytes | None:
        """What came next of the body; None at its end. Raises BodyCut when the client has gone."""
        if self._ended:
            return None
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise BodyCut
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def __call__(self) -> Message:
        """The next message; when given up, only that the client has gone."""
        if self.streamed:
            # Two cannot listen to one connection. The view does, and is not cancelled in the middle of a write when
            # the client goes: it keeps what came. Django stops to wait here as soon as the view has answered.
            await asyncio.Event().wait()
        while True:
            message = await self._receive()
            if not self.given_up or message["type"] == "http.disconnect":
                return message

    @property
    def announced(self) -> int:
        """The length that the client announces, in bytes; 0 if it does not."""
        for name, value in self.scope.get("headers", ()):
            if name == b"content-length" and value.isdigit() and len(value) < 20:
                return int(value)
        return 0
