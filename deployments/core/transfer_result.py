"""What a push of an image came to: for the log, and as the step's evidence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .sizes import exact_bytes, shown_bytes
from .transfer_values import FETCH, NONE

if TYPE_CHECKING:
    from .transfer_values import Transfer

_WAYS = {NONE: "nothing was missing", FETCH: "fetched"}


@dataclass(frozen=True, slots=True)
class Pushed:
    """The plan that was carried out in the end; bytes sent over all attempts, bytes that were on the node before, the
    bytes that were expected, and the seconds that all took."""

    transfer: Transfer
    sent: int
    kept: int
    expected: int
    seconds: float

    @property
    def said(self) -> str:
        """One line."""
        before = f" {shown_bytes(self.kept)} were there from an attempt that was cut." if self.kept else ""
        return (
            f"The image is on the node: {exact_bytes(self.sent)} sent of {exact_bytes(self.transfer.total)} "
            f"in {self.seconds:.1f} s; the plan said {exact_bytes(self.expected)}.{before}"
        )

    def evidence(self) -> dict[str, Any]:
        """As JSON takes it."""
        told = {
            "image bytes": self.sent,
            "of bytes": self.transfer.total,
            "planned bytes": self.expected,
            "image": _WAYS.get(self.transfer.way, "pulled"),
            "image seconds": round(self.seconds, 2),
        }
        return told | ({"kept bytes": self.kept} if self.kept else {})
