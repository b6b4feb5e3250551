"""A kind of value that is sealed in the database. Each application lists its own, once, for whoever looks at all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .keys import WORKER

Values = Iterable[tuple[str, bytes | memoryview | None, str]]
"""What a person calls it, the sealed value (nothing counts for none), and the context that it is bound to."""


@dataclass(frozen=True, slots=True)
class SealedKind:
    """``one`` and ``many``: what it is for an operator, such as "the SSH key of a node" and "SSH keys of nodes".

    ``values`` gives those of the newest so many rows, or of all for None; one query. ``ring``: what opens it.
    """

    one: str
    many: str
    values: Callable[[int | None], Values]
    ring: str = WORKER


def decoded(text: str) -> bytes:
    """A sealed value that is stored as base64; what is none becomes something that no key opens."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b"\0"
