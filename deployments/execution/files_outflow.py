"""Bytes of project files on their way to one node: paced, counted, shown, and stopped when the run is to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.execution.pushing import pace_of
from deployments.execution.transfer_meter import Meter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deployments.execution.deploy_target import DeployTarget

THIN = 4_000_000
"""Bytes a second below which a line is so slow that thorough compression costs no time."""


class Outflow:
    """Used by the thread that sends; ``sent`` counts over all attempts."""

    def __init__(self, run: DeployTarget) -> None:
        self._run = run
        link = run.service.node.link()
        self._rate, self.thin = link.usable, link.usable < THIN
        self._pace = pace_of(run.service.node)
        self._meter = Meter(self._show)
        self._total = max(run.planned.files.expected, 1)

    @property
    def sent(self) -> int:
        """Bytes so far."""
        return self._meter.sent

    def seconds(self, size: int) -> float:
        """How long so many bytes may take on this line, with patience."""
        return 4 * size / self._rate

    def begin(self) -> None:
        """A new attempt."""
        self._meter.begin(self._total)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes, no faster than they may go. Raises what a checkpoint raises."""
        for chunk in chunks:
            piece = self._pace.piece if self._pace else len(chunk)
            for start in range(0, len(chunk), piece):
                part = chunk[start : start + piece]
                self._run.context.checkpoint()
                if self._pace:
                    self._pace.take(len(part))
                self._meter.count("", len(part))
                yield part

    def end(self) -> None:
        """All is there, whatever was expected."""
        self._run.context.progress(self._run.target, self._total, self._total)

    def _show(self, done: int, total: int, rate: float) -> None:
        self._run.context.progress(self._run.target, done, total, rate=rate)
