"""What is mailed, by kind: people switch kinds off one by one. Filled by the applications' ``ready()``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mail: ``name`` as rows have it (at most 20 characters), and what the page says of it."""

    name: str
    label: str
    text: str


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind known. Another one of the same name is an error (ValueError)."""
    if _kinds.setdefault(kind.name, kind) != kind:
        msg = f"there is another kind of mail named {kind.name!r}"
        raise ValueError(msg)


def registered() -> tuple[Kind, ...]:
    """All known kinds, by name."""
    return tuple(_kinds[name] for name in sorted(_kinds))
