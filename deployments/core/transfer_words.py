"""A transfer's plan in words: what travels how, how long that takes, and what it was chosen over. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sizes import shown_bytes
from .transfer_values import CHUNKED, DELTA, FETCH_TOOLS, PULL, RAW, ZSTD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .transfer_values import Task, Transfer

_NAMES = {"pull": "A plain pull", "chunked": "A pull of changed files", "fetch": "Fetching it"}
_FORMS = (
    (DELTA, "{} as a difference to what the node holds", "{} as differences to what the node holds"),
    (CHUNKED, "{} file by file", "{} file by file"),
    (ZSTD, "{} compressed", "{} compressed"),
    (RAW, "{} as it is", "{} as they are"),
)


def explained(task: Task, best: Transfer, others: Iterable[tuple[str, Transfer]], reason: str) -> str:
    """Why ``best``; ``others`` are the ways that were open too (their kinds are "pull", "chunked", "fetch")."""
    words = [_described(best), f"About {_seconds(best.seconds)} {_link(task)}.", reason]
    if best.kept:
        words.append(f"{shown_bytes(best.kept)} are on the node from a push that was cut.")
    words += [
        f"{_NAMES[kind]} would send {shown_bytes(other.bytes)} in {_seconds(other.seconds)}."
        for kind, other in others
    ]
    if task.receiver.older:
        words.append("Differences cannot be sent: the node's ffs-node is older; upgrade it.")
    elif not task.receiver.can_fetch:
        lacking = ", ".join(sorted(FETCH_TOOLS - task.receiver.tools))
        words.append(f"Differences cannot be sent: the node lacks {lacking}.")
    return " ".join(word for word in words if word)


def _described(transfer: Transfer) -> str:
    parts = []
    for form, one, many in _FORMS:
        count = sum(layer.form == form for layer in transfer.layers)
        if count:
            parts.append((one if count == 1 else many).format(f"{count} layer{'s' if count > 1 else ''}"))
    how = "podman pulls" if transfer.way == PULL else "the node fetches"
    text = f"{how} {', '.join(parts)}: {shown_bytes(transfer.bytes)}."
    return text[0].upper() + text[1:]


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _link(task: Task) -> str:
    link = task.link
    known = "measured" if link.measured else "assumed, nothing was measured yet"
    capped = ", as far as its limit lets it" if link.cap and link.cap < link.rate else ""
    return f"at {shown_bytes(int(link.usable))}/s and {link.round_trip * 1000:.0f} ms ({known}{capped})"
