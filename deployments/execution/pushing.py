"""What all pushes of a worker share: how many go on at once, and how many bytes a second they may send."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

from deployments.oci.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deployments.models import Node
    from ffsweb.operations.context import Context

AT_ONCE = 4 * (os.cpu_count() or 1)
"""Pushes at once in one process: with more of them all together get slower, and the pages with them (measured)."""
MOMENT = 10
"""Tenths of a second after which somebody who waits is told why."""
CONVERSIONS = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1)))
"""Children that convert layers at once."""

_turns = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_installation: dict[int, Pacer] = {}
_nodes: dict[int, tuple[Pacer, Pacer | None]] = {}
_images: dict[int, threading.BoundedSemaphore] = {}


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


def _says_nothing(_why: str) -> None:
    return


@contextmanager
def turn(context: Context, waits: Callable[[str], object] = _says_nothing) -> Iterator[Turn]:
    """One of the pushes at once; waits for it, and ends the wait when the run is to stop.

    ``waits`` is told why, once, when that takes more than a moment.
    """
    _wait_for(_turns, context, "So much is on its way to nodes; this one waits for its turn.", waits)
    mine = Turn(_turns)
    try:
        yield mine
    finally:
        mine.give_back()


@contextmanager
def image_of(node: int, context: Context, waits: Callable[[str], object] = _says_nothing) -> Iterator[None]:
    """The one image on its way to the node with this primary key; waits as ``turn`` does.

    To be taken before a turn: who waits until the node has another image then keeps nobody from sending.
    """
    with _lock:
        one = _images.setdefault(node, threading.BoundedSemaphore())
    _wait_for(one, context, "Another image is on its way to this node; this one waits for its turn.", waits)
    try:
        yield
    finally:
        one.release()


@contextmanager
def conversion(context: Context) -> Iterator[None]:
    """One of the conversions at once."""
    _wait_for(CONVERSIONS, context)
    try:
        yield
    finally:
        CONVERSIONS.release()


def _wait_for(
    semaphore: threading.BoundedSemaphore,
    context: Context,
    why: str = "",
    waits: Callable[[str], object] = _says_nothing,
) -> None:
    tries = 0
    while not semaphore.acquire(timeout=0.1):
        context.checkpoint()
        tries += 1
        if tries == MOMENT:
            waits(why)


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
