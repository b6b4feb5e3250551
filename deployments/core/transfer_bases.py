"""Which layer of a node a changed layer may be like: images are built in the same order again and again. Pure."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

AT_MOST = 2
"""Candidates for one layer: each costs a conversion before it is known whether it was a good one."""

Sized = tuple[str, int]
"""diffID and bytes."""


def bases_for(
    image: Sequence[Sized], others: Iterable[Sequence[Sized]], usable: Collection[str], *, limit: int
) -> dict[str, tuple[Sized, ...]]:
    """For the layers of ``image`` that are not among ``usable``: the layers that a delta may start from, best first.

    ``others`` are images that the node holds, what the service runs first; ``usable`` are the layers that the node
    and the store both hold. Layers above ``limit`` bytes are passed over. Where layers of both images are the same,
    those between them were replaced: the first by the first, or, where their numbers differ, by the one of the most
    similar size.
    """
    found: dict[str, list[Sized]] = {}
    ids = [diff_id for diff_id, _ in image]
    for other in others:
        matcher = SequenceMatcher(None, ids, [diff_id for diff_id, _ in other], autojunk=False)
        for tag, low, high, first, last in matcher.get_opcodes():
            if tag != "replace":
                continue
            for layer, base in _pairs(image[low:high], other[first:last]):
                known = found.setdefault(layer[0], [])
                fits = max(layer[1], base[1]) <= limit and layer[0] not in usable and base[0] in usable
                if fits and base not in known and len(known) < AT_MOST:
                    known.append(base)
    return {diff_id: tuple(bases) for diff_id, bases in found.items() if bases}


def _pairs(new: Sequence[Sized], old: Sequence[Sized]) -> Iterable[tuple[Sized, Sized]]:
    if len(new) == len(old):
        return zip(new, old, strict=True)
    return [(layer, max(old, key=lambda base: _likeness(layer, base))) for layer in new]


def _likeness(one: Sized, other: Sized) -> float:
    return min(one[1], other[1]) / max(one[1], other[1], 1)
