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
_shared: dict[int, Pacer] = {}


@contextmanager
def turn(context: Context) -> Iterator[None]:
    """One of the pushes at once; waits for it, and ends the wait when the run is to stop."""
    with _one_of(_turns, context):
        yield


@contextmanager
def conversion(context: Context) -> Iterator[None]:
    """One of the conversions at once."""
    with _one_of(CONVERSIONS, context):
        yield


@contextmanager
def _one_of(semaphore: threading.BoundedSemaphore, context: Context) -> Iterator[None]:
    while not semaphore.acquire(timeout=0.1):
        context.checkpoint()
    try:
        yield
    finally:
        semaphore.release()


def pace_of(node: Node) -> Pacer | None:
    """The node's limit within that of the installation; None where there is neither."""
    parent = _installation()
    return Pacer(node.bandwidth, parent) if node.bandwidth else parent


def _installation() -> Pacer | None:
    limit: int = settings.BANDWIDTH
    if not limit:
        return None
    with _lock:
        if limit not in _shared:
            _shared.clear()
            _shared[limit] = Pacer(limit)
        return _shared[limit]
