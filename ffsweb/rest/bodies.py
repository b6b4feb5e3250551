"""What is sent as JSON, looked at before anything is made of it.

Whoever checks a value against a description makes an error of each that does not fit, and a byte or two of JSON are
a value. So the size and the number of values are bounded here, with room for the largest request that there is.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django.http import HttpRequest

from ffsweb.web.measures import size_in_words
from ffsweb.web.problems import Problem
from ffsweb.web.uploads import announced_length

LARGEST: Final = 1_000_000
"""Bytes: an `.env` of 256 KiB with every letter escaped (``\\u0436``), and as many names as it may have."""
MOST_VALUES: Final = 4_000
"""Values and names of members, at all depths; a list has at most a thousand."""
_SHOWN: Final = 200
"""Characters of a place in the body."""
MOST_ERRORS: Final = 50
"""In one answer."""


def looked_at(request: HttpRequest) -> None:
    """Raises Problem: 413 for a body that is too large, 422 for one of too many values, or with a text that no
    database takes. One that is no JSON is for others to refuse."""
    if (announced_length(request) or 0) > LARGEST or len(request.body) > LARGEST:
        raise Problem(413, f"This was too large: at most {size_in_words(LARGEST)} are taken here. Nothing was done.")
    if not request.body:
        return
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return
    bad = _bad_texts(body)
    if bad:
        errors = [{"at": at, "detail": said} for at, said in bad.items()][:MOST_ERRORS]
        raise Problem(422, f"{errors[0]['at']}: {errors[0]['detail']} Nothing was done.", errors=errors)


def shown_place(at: str) -> str:
    """A place as an answer names it: names of members are as long as who sends them likes."""
    return at if len(at) <= _SHOWN else f"{at[:_SHOWN]}…"


def _bad_texts(body: Any) -> dict[str, str]:
    """What is wrong with texts, by their places. Raises Problem (422) for too many values."""
    found: dict[str, str] = {}
    left: list[tuple[str, Any]] = [("body", body)]
    count = 0
    while left:
        at, value = left.pop()
        if isinstance(value, str) and (said := _said_of(value)):
            found[at] = said
        elif isinstance(value, dict):
            count = _more(count, 2 * len(value))
            for name, each in value.items():
                if said := _said_of(name):
                    found[at] = f"The name of a member: {said}"
                else:
                    left.append((shown_place(f"{at}.{name}"), each))
        elif isinstance(value, list):
            count = _more(count, len(value))
            left += [(f"{at}.{place}", each) for place, each in enumerate(value)]
    return found


def _more(count: int, by: int) -> int:
    if count + by > MOST_VALUES:
        raise Problem(422, f"This has more than {MOST_VALUES} values. Nothing was done.")
    return count + by


def _said_of(text: str) -> str:
    """What is wrong with it, "" if nothing is."""
    if "\0" in text:
        return "There is a NUL character in it."
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "There is half a character in it (a lone surrogate)."
    return ""
