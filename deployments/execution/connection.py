"""A connection to a node: its address, its sealed key and the host keys that count."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import structlog

from deployments.core.layout import DASHBOARD_USER
from deployments.models import DashboardKey, Node
from deployments.models.node import node_key_context
from ffsweb.remote import Endpoint, Identity, RemoteError, Session, connect
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_opener

logger = structlog.get_logger(__name__)
CONNECT_SECONDS = 15.0


class NodeLogin:
    """All that is needed to log in to a node, read from the database once, so that threads need none of it.

    ``key``: not by the node's active key, but by this one alone.
    """

    def __init__(self, node: Node, key: DashboardKey | None = None) -> None:
        self.node = node
        self.endpoint = Endpoint(
            host=node.address,
            port=node.ssh_port,
            user=DASHBOARD_USER,
            host_keys=tuple(key.public_key for key in node.pins(datetime.now(UTC))),
        )
        chosen = key or node
        self._sealed = bytes(chosen.sealed_private_key)
        self._context = node_key_context(chosen.public_key)

    def connect(self, *, host_keys: tuple[str, ...] | None = None, stop: threading.Event | None = None) -> Session:
        """Log in; ``host_keys`` replaces the pins (after the first contact), ``stop`` ends the attempt.

        Raises RemoteError, CannotOpen.
        """
        if _of_an_operation():  # whose run has a context of its own; elsewhere the name would stay with the thread
            structlog.contextvars.bind_contextvars(node=self.node.pk)
        key: Secret = worker_opener().open(self._sealed, self._context)
        endpoint = self.endpoint
        if host_keys is not None:
            endpoint = Endpoint(host=endpoint.host, port=endpoint.port, user=endpoint.user, host_keys=host_keys)
        try:
            session = connect(endpoint, Identity(private_key=key), timeout=CONNECT_SECONDS, stop=stop)
        except RemoteError as error:
            self._tell("node_not_connected", error=type(error).__name__)
            raise
        self._tell("node_connected", node_name=self.node.name)
        return session

    def _tell(self, event: str, **more: str) -> None:
        """A line for each connection of an operation; readings make some every minute, which nobody wants to read."""
        (logger.info if _of_an_operation() else logger.debug)(event, node=self.node.pk, **more)


def _of_an_operation() -> bool:
    return "operation" in structlog.contextvars.get_contextvars()
