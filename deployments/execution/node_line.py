"""The one connection of an operation to a node, however many of its services take part."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from deployments.execution import readings
from deployments.execution.connection import NodeLogin
from deployments.models import Node

if TYPE_CHECKING:
    from ffsweb.operations.context import Context
    from ffsweb.remote import Session


class NodeLine:
    """Shared by the threads of a node's targets. ``turn`` is for what a node does for one of them at a time.

    Whoever finds the connection lost closes it; the others' commands fail with it, and each asks again on a new one.
    """

    def __init__(self, context: Context, node_id: int) -> None:
        self.node_id = node_id
        self.turn = threading.Lock()
        self._context = context
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._last: readings.Taken | None = None

    def login(self) -> NodeLogin:
        """How to log in by now: the first contact changes it. Two queries."""
        return NodeLogin(Node.objects.prefetch_related("host_keys").get(pk=self.node_id))

    def session(self) -> Session:
        """The connection; made if there is none. Raises RemoteError, CannotOpen."""
        with self._lock:
            if self._session is None or not self._session.alive:
                self._session = self.login().connect(stop=self._context.stop)
            return self._session

    def last_reading(self) -> readings.Taken:
        """What is true at the end, read once for all services of the node, over a connection of its own."""
        with self._lock:
            self.close()
            if self._last is None or self._last.error:
                self._last = readings.take(self.login(), stop=self._context.stop)
            return self._last

    def forget_reading(self) -> None:
        """Let the next last reading be another one: something was done on the node since."""
        with self._lock:
            self._last = None

    def close(self) -> None:
        """End the connection, if there is one."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
