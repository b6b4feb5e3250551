"""One target's conversation with its node, over one connection that is made again when it is lost."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, TargetFailed
from deployments.execution.node_program import NodeProgram
from deployments.models import Node
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.core.node_argv import Argv
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.remote import Session

PAUSE = 1.0
"""Seconds between two attempts to reach a node that was lost."""


class Conversation:
    """Used by one thread at a time."""

    def __init__(self, context: Context, target: Target, node_id: int) -> None:
        self._context, self._target, self._node_id = context, target, node_id
        self._session: Session | None = None

    def login(self) -> NodeLogin:
        """How to log in by now: the first contact changes it. Two queries."""
        return NodeLogin(Node.objects.prefetch_related("host_keys").get(pk=self._node_id))

    def session(self) -> Session:
        """The connection; made if there is none. Raises RemoteError, CannotOpen."""
        if self._session is None or not self._session.alive:
            self._session = self.login().connect(stop=self._context.stop)
        return self._session

    def program(self) -> NodeProgram:
        """``ffs-node`` over the connection, its output in the log."""
        return NodeProgram(self.session(), log=self.log, stop=self._context.stop)

    def insist(self, argv: Argv, *, stdin: bytes | None = None, seconds: float) -> None:
        """Ask for what the node does once, however often it is asked, until there is an answer.

        So a connection that is lost in the middle ends nothing. Raises what the last attempt raised when ``seconds``
        are over, and at once what trying again cannot change.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                self.program().ask(argv, stdin=stdin, timeout=max(PAUSE, end - time.monotonic()))
            except RemoteError as error:
                self._context.checkpoint()
                if error.permanent or time.monotonic() + PAUSE >= end:
                    raise
                self.log(f"{error} Asking again.", "warning")
                self.close()
                self._context.stop.wait(PAUSE)
            else:
                return

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turns what a conversation raises into TargetFailed, unless the run is to stop anyway."""
        try:
            yield
        except NODE_ERRORS as error:
            self._context.checkpoint()
            raise TargetFailed(str(error)) from error

    def log(self, text: str, stream: str = "info") -> None:
        """A line of the operation's log, with the target's name."""
        self._context.log(text, target=self._target, stream=stream)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None
