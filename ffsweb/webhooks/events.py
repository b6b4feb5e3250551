"""What may be told of. Pure."""

from __future__ import annotations

from typing import Final

TEST: Final = "test"
"""Sent by a button, to whatever an endpoint has chosen."""

EVENTS: Final = {
    "operation.succeeded": "An operation succeeded",
    "operation.failed": "An operation failed",
    "operation.rolled_back": "An operation was rolled back",
    "operation.cancelled": "An operation was cancelled",
    "operation.needs_hands": "An operation needs hands",
    "operation.unknown": "Nobody knows how an operation ended",
    "operation.asks": "An operation asks and waits for an answer",
    "service.degraded": "A service is degraded",
    "service.recovered": "A service is well again",
    "node.unreachable": "A node is unreachable",
    "node.recovered": "A node is reachable again",
    "push.waits": "A pushed image waits for somebody to deploy it",
    "push.not_deployed": "A pushed image was not deployed, though the policy says so",
    "certificate.alert": "A certificate nears its end, is wrong, or that is over",
}
"""By name, as receivers see it, what the page says of it."""
USUAL: Final = tuple(name for name in EVENTS if name not in {"operation.succeeded", "operation.cancelled"})
"""What a new endpoint has chosen."""
