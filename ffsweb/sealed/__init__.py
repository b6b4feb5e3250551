"""Secrets at rest and in flight, without Django.

A :class:`Secret` is a value that does not show itself. A :class:`Sealer` (public halves of a key ring) turns it
into bytes for the database, an :class:`Opener` (private halves) turns those back, and only for the same
*context*: a value copied into another row does not open. See ``boxes`` for the format, ``rings`` for the key
files.
"""

from __future__ import annotations

from ffsweb.sealed.boxes import Opener, Sealer, key_of
from ffsweb.sealed.errors import CannotOpen, RingError, RingExists, RingMissing, RingUnsafe, SealedError
from ffsweb.sealed.rings import create_ring, ring_exists, rotate_ring
from ffsweb.sealed.secret import MASK, Secret

__all__ = [
    "MASK",
    "CannotOpen",
    "Opener",
    "RingError",
    "RingExists",
    "RingMissing",
    "RingUnsafe",
    "SealedError",
    "Sealer",
    "Secret",
    "create_ring",
    "key_of",
    "ring_exists",
    "rotate_ring",
]
