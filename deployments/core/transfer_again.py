"""What to do when a node could not take an image as it was sent: plainer each time, until nothing is left. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .transfer_values import CHUNKED, DELTA, FETCH, RAW

if TYPE_CHECKING:
    from .transfer_values import Transfer, Without

_PLAINER = frozenset({"podman", "verify", "internal", "bad-input", "bad-argument", "not-found"})
"""Codes after which another way may do: what was sent could not be put together, or the node is older than that."""


def again_without(code: str, transfer: Transfer, without: Without) -> Without | None:
    """What to leave out after the node refused ``transfer`` with ``code``; None if trying again changes nothing."""
    forms = {layer.form for layer in transfer.layers}
    if code == "delta" and DELTA in forms:
        return replace(without, delta=True)
    if code == "disk-full":
        return replace(without, fetch=True, pull=False) if transfer.way == FETCH else None
    if code not in _PLAINER and code != "delta":
        return None
    if DELTA in forms:
        return replace(without, delta=True)
    if CHUNKED in forms:
        return replace(without, chunked=True)
    if transfer.way == FETCH:
        return replace(without, fetch=True, pull=False)
    if forms - {RAW}:
        return replace(without, packed=True, pull=False)
    return None
