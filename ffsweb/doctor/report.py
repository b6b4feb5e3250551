"""What ``ffs doctor`` prints: lines for people, or JSON. Values of secret settings never come out. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from .findings import State
from .running import Result

FINE, FAILED, WARNED = 0, 1, 3
"""Exit codes; 2 is that of a command that was written wrongly, as everywhere in ``ffs``."""
HIDDEN: Final = "[hidden]"
SHORTEST: Final = 6
"""Shorter values are no secrets worth the name, and hiding them would hide half of all words."""


def exit_code(results: Iterable[Result]) -> int:
    """1 if something failed, else 3 if something is worth a look, else 0. Skipped is no failure."""
    states = {result.finding.state for result in results}
    return FAILED if State.FAIL in states else WARNED if State.WARN in states else FINE


def line(result: Result, *, hide: Sequence[str] = ()) -> str:
    """A result for people: one line, and one more for what to do."""
    found = result.finding
    text = f"{found.state:<8} {result.check:<20} {_one_line(found.found)}"
    more = f"\n{'':<29} → {_one_line(found.advice)}" if found.advice else ""
    return hidden(text + more, hide) + "\n"


def summary(results: Sequence[Result]) -> str:
    """The last line."""
    numbers = {state: sum(result.finding.state is state for result in results) for state in State}
    words = {State.FAIL: "failed", State.WARN: "to be looked at", State.SKIPPED: "skipped", State.OK: "fine"}
    told = ", ".join(f"{numbers[state]} {word}" for state, word in words.items() if numbers[state])
    return f"{told or 'Nothing was looked at'}.\n"


def as_json(results: Sequence[Result], *, version: str, hide: Sequence[str] = ()) -> str:
    """All of it as one JSON object."""
    checks = [
        {
            "check": result.check,
            "state": str(result.finding.state),
            "found": hidden(result.finding.found, hide),
            "advice": hidden(result.finding.advice, hide),
        }
        for result in results
    ]
    return json.dumps({"version": version, "exit_code": exit_code(results), "checks": checks}, indent=1) + "\n"


def hidden(text: str, values: Iterable[str]) -> str:
    """``text`` with none of ``values`` in it."""
    for value in sorted(set(values), key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    return text


def secrets_in(*urls: str) -> list[str]:
    """The passwords in addresses such as ``postgres://user:password@host``, as they stand and as they are meant."""
    found = []
    for url in urls:
        try:
            password = urlsplit(url).password or ""
        except ValueError:
            continue
        found += [url, password, unquote(password)] if password else []
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())
