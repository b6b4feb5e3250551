"""One target's conversation with its node, over the operation's one connection to it, made again when it is lost."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.execution.errors import NODE_ERRORS, TargetFailed
from deployments.execution.node_program import NodeProgram
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.core.node_argv import Argv
    from deployments.execution.connection import NodeLogin
    from deployments.execution.node_line import NodeLine
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.remote import Session

PAUSE = 1.0
"""Seconds between two attempts to reach a node that was lost."""


class Conversation:
    """Used by one thread at a time."""

    def __init__(self, context: Context, target: Target, line: NodeLine) -> None:
        self._context, self._target, self._line = context, target, line

    def login(self) -> NodeLogin:
        """As :meth:`NodeLine.login`."""
        return self._line.login()

    def session(self) -> Session:
        """As :meth:`NodeLine.session`."""
        return self._line.session()

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
        self._line.close()
