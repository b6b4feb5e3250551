"""What strangers wrote, as every database takes it: PostgreSQL keeps neither NUL nor lone surrogates."""

from __future__ import annotations

from typing import Any


def storable_text(text: str) -> str:
    """``text`` with U+FFFD for NUL and "?" for lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def storable(value: Any) -> Any:
    """The same for all texts in JSON that was read: names and values, however deep."""
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {storable_text(str(name)): storable(item) for name, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return value
