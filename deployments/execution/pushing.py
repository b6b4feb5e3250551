"""What all pushes of a worker share: how many go on at once, and how many bytes a second they may send."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

from deployments.oci.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.models import Node
    from ffsweb.operations.context import Context

AT_ONCE = 4 * (os.cpu_count() or 1)
"""Pushes at once in one process: with more of them all together get slower, and the pages with them (measured)."""
CONVERSIONS = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1)))
"""Children that convert layers at once."""

_turns = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_installation: dict[int, Pacer] = {}
_nodes: dict[int, tuple[Pacer, Pacer | None]] = {}


class Turn:
    """One of the pushes at once. Thread-safe."""

    def __init__(self, semaphore: threading.BoundedSemaphore) -> None:
        self._semaphore: threading.BoundedSemaphore | None = semaphore
        self._lock = threading.Lock()

    def give_back(self) -> None:
        """Nothing is left to be sent: somebody else may, while the node does its own work. It may be called again."""
        with self._lock:
            semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release()


@contextmanager
def turn(context: Context) -> Iterator[Turn]:
    """One of the pushes at once; waits for it, and ends the wait when the run is to stop."""
    _wait_for(_turns, context)
    mine = Turn(_turns)
    try:
        yield mine
    finally:
        mine.give_back()


@contextmanager
def conversion(context: Context) -> Iterator[None]:
    """One of the conversions at once."""
    _wait_for(CONVERSIONS, context)
    try:
        yield
    finally:
        CONVERSIONS.release()


def _wait_for(semaphore: threading.BoundedSemaphore, context: Context) -> None:
    while not semaphore.acquire(timeout=0.1):
        context.checkpoint()


def pace_of(node: Node) -> Pacer | None:
    """The node's limit within that of the installation, one for all pushes to it; None where there is neither."""
    with _lock:
        parent = _of_all()
        if not node.bandwidth:
            return parent
        pacer, within = _nodes.get(node.pk, (None, None))
        if pacer is None or pacer.bytes_per_second != node.bandwidth or within is not parent:
            pacer = Pacer(node.bandwidth, parent)
            _nodes[node.pk] = pacer, parent
        return pacer


def _of_all() -> Pacer | None:
    limit: int = settings.BANDWIDTH
    if not limit:
        return None
    if limit not in _installation:
        _installation.clear()
        _installation[limit] = Pacer(limit)
    return _installation[limit]
