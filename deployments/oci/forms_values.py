"""Other forms of a layer, as values: their kinds, their names in the cache, the effort that each is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .digests import hex_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

Kind = Literal["zstd", "chunked", "delta"]
Quality = Literal["quick", "best"]

ZSTD: Final[Kind] = "zstd"
CHUNKED: Final[Kind] = "chunked"
DELTA: Final[Kind] = "delta"
QUICK: Final[Quality] = "quick"
BEST: Final[Quality] = "best"

MIB = 1024 * 1024
DELTA_LIMIT = 1024 * MIB
"""Bytes of the larger of the two layers of a delta: both ends need about twice as much memory."""

_ZSTD = {QUICK: ((None, 3),), BEST: ((64 * MIB, 19), (512 * MIB, 15), (2048 * MIB, 12), (None, 6))}
_DELTA = {QUICK: ((256 * MIB, 9), (None, 3)), BEST: ((256 * MIB, 19), (512 * MIB, 15), (None, 9))}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A form to be made: the layer, and for a delta the layer that it starts from."""

    kind: Kind
    diff_id: str
    base: str = ""
    quality: Quality = QUICK

    def __post_init__(self) -> None:
        if (self.kind == DELTA) != bool(self.base):
            raise ValueError("a delta has a base, and nothing else has one")

    @property
    def key(self) -> str:
        """Its name in the cache. Raises ValueError for what is no digest."""
        base = f"-{hex_of(self.base)}" if self.base else ""
        return f"{self.kind}-{self.quality}-{hex_of(self.diff_id)}{base}"


@dataclass(frozen=True, slots=True)
class Form:
    """A made form: the blob's digest, size in bytes and file. ``annotations`` are what a descriptor of it needs."""

    kind: Kind
    digest: str
    size: int
    path: Path
    diff_id: str
    base: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    quality: Quality = QUICK

    @property
    def wanted(self) -> Wanted:
        """What was asked for when it was made."""
        return Wanted(self.kind, self.diff_id, self.base, self.quality)


def preferred(forms: Sequence[Form], rather: Collection[str]) -> Form | None:
    """The first one whose digest is in ``rather``, or the first; None if there is none."""
    return next((form for form in forms if form.digest in rather), forms[0] if forms else None)


def level(kind: Kind, quality: Quality, size: int) -> int:
    """The Zstandard level for a layer of ``size`` bytes: quick ones take seconds, the best minutes at most.

    Measured on two busy cores, a layer of 110 MB: zstd 3 in 2 s (32.2 MB), 15 in 27 s (28.4 MB), 19 in 37 s
    (25.6 MB); as a delta 3 in 0.3 s (88 kB), 9 in 0.5 s (81 kB), 19 in 23 s (48 kB).
    """
    steps = (_DELTA if kind == DELTA else _ZSTD)[quality]
    return next(number for limit, number in steps if limit is None or size <= limit)


SHORTEST: Final = 8
"""Bytes of a content that Zstandard takes as a prefix or as a dictionary."""


def window_log(size: int) -> int:
    """The window that reaches over ``size`` bytes and a layer before them, as ``zstd --patch-from`` sets it."""
    return min(31, max(10, size.bit_length()))
