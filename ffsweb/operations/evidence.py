"""A step's evidence in words: it is JSON of any form, and people read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ffsweb.web.measures import size_in_words

LONGEST: Final = 400


def findings(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each finding that says something, in the order in which they were found."""
    pairs = (
        (name.replace("_", " "), in_words(value, of_bytes=name.endswith("bytes"))) for name, value in evidence.items()
    )
    return [(name, text) for name, text in pairs if text]


def in_words(value: Any, *, of_bytes: bool = False) -> str:
    """A JSON value as a person writes it, cut after LONGEST characters; "" for nothing at all."""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, int) and of_bytes:
        text = size_in_words(value)
    elif isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
    elif isinstance(value, Mapping):
        text = ", ".join(f"{name}: {text}" for name, text in findings(value))
    elif isinstance(value, list | tuple):
        texts = [in_words(each) for each in value]
        sentences = all(text.endswith((".", "!", "?")) for text in texts)
        text = (" " if sentences else ", ").join(text for text in texts if text)
    else:
        text = "" if value is None else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
