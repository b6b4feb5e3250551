"""How long things take, by what was measured on small servers (two cores, SSD). Pure; sizes in bytes, times in s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .transfer_values import CHUNKED, DELTA, FETCH, RAW, ZSTD

if TYPE_CHECKING:
    from .transfer_values import Base, FormKind, Link, Sendable, Way

WINDOW = 2 * 1024 * 1024
"""Bytes in flight on one channel of an SSH connection: OpenSSH's own, on the node (channels.h)."""
CHANNELS = 6
SEGMENTED = 8 * 1024 * 1024
"""A larger blob is fetched over several channels at once."""

PACK_RATE = {ZSTD: 120e6, DELTA: 200e6}
"""A quick form is made so fast, once for all nodes."""
EXPORT_RATE, PATCH_RATE = 300e6, 600e6
"""An old layer is written out of a node's store, and a delta applied to it, by the bytes of the layer: what that
costs more than unpacking a compressed layer."""
PACKED, PATCHED, UNLIKE = 0.33, 0.02, 0.25
"""Bytes of a form that was not made yet, for one byte of the layer: packed, patched, patched with a layer of another
size altogether."""

_WORK: dict[str, tuple[float, float]] = {"pull": (0.4, 28e6), "chunked": (0.6, 26e6), "fetch": (0.7, 28e6)}
"""Seconds for any image at all, and bytes of tar that podman unpacks in a second: 5.4, many small files, two cores
that the dashboard shares."""
TELLING = 1.5
"""Seconds of a node's work that tell how strong it is: below that it is starts of programs."""
WEAKEST, STRONGEST = 0.1, 4.0
_TRIPS = {"pull": 7, "chunked": 10, "fetch": 6}


def rate(link: Link, sizes: list[int], way: Way) -> float:
    """Bytes per second over the channels that these blobs travel on at once."""
    channels = min(CHANNELS, max(1, len(sizes)))
    if way == FETCH and any(size > SEGMENTED for size in sizes):
        channels = CHANNELS
    return min(link.usable, channels * WINDOW / max(link.round_trip, 0.0001))


def guessed_strength(cpus: int) -> float:
    """How many times as fast a node works as the one that was measured, which has two cores; 0 for one that does not
    say. podman unpacks one layer after the other, each in a few threads, so that more than four cores gain nothing.
    A guess, and a careful one."""
    return min(1.5, 0.5 + cpus / 4) if cpus else 1.0


def strength_of(expected: float, took: float, before: float | None) -> float | None:
    """The same of a node that ``took`` so many seconds for what takes one of strength 1 those ``expected``.

    Half of it is what was known ``before``. None where so little was done that it says nothing.
    """
    if expected < TELLING or took <= 0:
        return None
    now = min(STRONGEST, max(WEAKEST, expected / took))
    return now if before is None else (now + before) / 2


def node_seconds(kind: str, unpacked: int) -> float:
    """The own work of a node of strength 1 for an image of which ``unpacked`` bytes of layers are unpacked."""
    fixed, speed = _WORK[kind]
    return fixed + unpacked / speed


def trips(kind: str) -> int:
    """Round trips before and between the layers."""
    return _TRIPS[kind]


def size_of(layer: Sendable, form: FormKind, base: Base | None = None) -> tuple[int, bool]:
    """The bytes of a form, and whether that is known."""
    if form == RAW:
        return layer.size, True
    if form == CHUNKED:
        return (layer.chunked, True) if layer.chunked is not None else (layer.size, False)
    if form == DELTA and base is not None:
        if base.delta is not None:
            return base.delta, True
        like = min(base.size, layer.size) / max(base.size, layer.size, 1)
        return max(64, int(layer.size * (PATCHED if like >= 0.5 else UNLIKE))), False
    return (layer.zstd, True) if layer.zstd is not None else (max(64, int(layer.size * PACKED)), False)


def kept_of(layer: Sendable, form: FormKind, base: Base | None = None) -> int:
    """Bytes of a form that are on the node, from a push that was cut."""
    if form == DELTA and base is not None:
        return base.kept
    return {RAW: layer.kept, ZSTD: layer.zstd_kept}.get(form, 0)


def making(layer: Sendable, form: FormKind, *, known: bool) -> float:
    """Seconds until the form is there, on the dashboard's machine."""
    return 0.0 if known or form not in PACK_RATE else 0.1 + layer.size / PACK_RATE[form]


def patching(layer: Sendable, base: Base) -> float:
    """Seconds of a node of strength 1 for one delta."""
    return base.size / EXPORT_RATE + layer.size / PATCH_RATE
