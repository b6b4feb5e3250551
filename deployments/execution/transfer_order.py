"""Lets the lower layers of an image go first, so that a node unpacks them while the others come.

podman asks for all layers at once, and unpacks one only when those below it are there. On a line that is the narrow
place, sending all side by side makes the lowest arrive as late as the last.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from deployments.core.transfer_cost import CHANNELS, WINDOW
from deployments.core.transfer_values import PULL, ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deployments.core.transfer_values import Link, Transfer
    from deployments.oci.forms import Form

TRICKLE = 5.0
"""Seconds after which one that waits sends a piece all the same, so that its connection does not look dead."""
IDLE = 3.0
"""Seconds without a piece after which nobody waits for a layer any more: it was cut, or is not asked for."""
_LOOK = 0.1


class LowestFirst:
    """The turns of the blobs of one push. Thread-safe; ``check`` is called while a blob waits, and may raise."""

    def __init__(self, sizes: Mapping[str, int], at_once: int, check: Callable[[], None]) -> None:
        """``sizes`` in bytes by the digest of the blob, the lowest layer first; ``at_once`` go side by side."""
        self._left = dict(sizes)
        self._rank = {digest: number for number, digest in enumerate(sizes)}
        self._seen: dict[str, float] = {}
        self._at_once, self._check = at_once, check
        self._changed = threading.Condition()

    def sent(self, digest: str, count: int) -> None:
        """``count`` bytes of a blob went out; returns when its next piece may go."""
        if digest not in self._rank:
            return
        until = time.monotonic() + TRICKLE
        with self._changed:
            self._left[digest] -= count
            self._seen[digest] = time.monotonic()
            if self._left[digest] <= 0:
                self._changed.notify_all()
                return
        while time.monotonic() < until:
            with self._changed:
                if self._before(digest) < self._at_once:
                    return
                self._changed.wait(_LOOK)
            self._check()

    def _before(self, digest: str) -> int:
        """How many lower layers are on their way."""
        now, rank = time.monotonic(), self._rank[digest]
        return sum(
            self._rank[other] < rank and self._left[other] > 0 and now - seen < IDLE
            for other, seen in self._seen.items()
        )


def order_of(
    transfer: Transfer, found: Mapping[str, Form], link: Link, check: Callable[[], None]
) -> LowestFirst | None:
    """The turns for a plan; None where they would gain nothing, or where it is not known when a blob is through."""
    several = len(transfer.layers) > 1 and all(layer.form == ZSTD for layer in transfer.layers)
    if transfer.way != PULL or not several:
        return None
    channels = math.ceil(link.usable * link.round_trip / WINDOW)
    if channels >= CHANNELS:
        return None
    sizes = {found[layer.diff_id].digest: found[layer.diff_id].size for layer in transfer.layers}
    return LowestFirst(sizes, max(1, channels), check)
