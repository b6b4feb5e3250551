"""How often, and how long apart, a push goes on after the line was cut: by whether something came meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each new attempt; so many cuts in a row end the push."""
GREW = 64 * 1024
"""Bytes that have to arrive between two cuts, or the line counts as dead."""


class Cuts:
    """The cuts of one push."""

    def __init__(self, context: Context, target: Target) -> None:
        self._context, self._target = context, target
        self._in_a_row = self._arrived = 0

    def arrived(self, there: int) -> None:
        """The node has so many bytes, by its own word: a line on which something comes is not dead."""
        if there >= self._arrived + GREW:
            self._in_a_row = 0
            self._arrived = there
        self._arrived = min(self._arrived, there)  # it may begin anew, in another form

    @property
    def too_many(self) -> bool:
        """Whether going on makes no sense any more."""
        return self._in_a_row == len(PAUSES)

    def pause(self, why: str) -> None:
        """Wait before the next attempt; a stop ends the wait."""
        seconds = PAUSES[self._in_a_row]
        self._context.log(f"{why} Going on in {seconds:.0f} s.", target=self._target, stream="warning")
        self._context.stop.wait(seconds)
        self._in_a_row += 1
