"""What ``ffs-node`` answers: JSON lines, read without trust. A node may be anyone's by now.

``parse_event`` takes one line. Unknown events are None; a line that is not one of ours raises ``BadAnswer``.

    AnswerError
    ├── BadAnswer      the node said something that is no answer
    └── Refused        the node said no: a code and why
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE_LIMIT = 4 * 1024 * 1024
"""Bytes of the longest line taken: facts of many services and images are one line."""
TEXT_LIMIT = 16_384
"""Characters kept of a text."""

PAIRS_LIMIT = 10_000
"""Pairs taken in one event."""

NOT_CONFIRMED = "it was not confirmed in time"
"""Why a node brought an old release back by itself (``restore`` in ffs-node), in the text of ``rolled-back``."""

_CODE = re.compile(r"[a-z][a-z-]{0,31}")


class AnswerError(Exception):
    """The node's answer is not a success."""


class BadAnswer(AnswerError):
    """The node answered something that ``ffs-node`` does not say."""


class Refused(AnswerError):
    """The node refused or failed; ``text`` says in plain English what happened and what was left as it was.

    ``code`` is one of disk-full, busy, stale, bad-argument, bad-input, bad-unit, exists, not-found, not-deployed,
    not-switched, pending, confirmed, rolled-back, start-failed, interrupted, podman, systemd, verify, not-root or
    internal; of staging also delta (a difference does not fit here: send the whole) and fetch (the connection broke;
    what has come is kept).
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def no_such_verb(self) -> bool:
        """Whether ffs-node there is too old to know what it was asked (nodekit/parts/99-main.bash)."""
        return self.code == "bad-argument" and "no such verb" in self.text


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the operation's log."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``; units are the verb's."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a service's journal; ``at`` is a UTC epoch in seconds."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """``stage-files`` waits for its archive, and says what it holds of it from an attempt that was cut.

    By the order of the archive: ``held`` are ranges (first, how many), ``half`` files that are there up to a byte.
    """

    held: tuple[tuple[int, int], ...]
    half: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result, the last line. ``fields`` are the verb's own; ask for them by type, they are the node's words."""

    ok: bool
    code: str = ""
    text: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)

    def check(self) -> Answer:
        """Itself if it is ok; raises :class:`Refused` otherwise."""
        if not self.ok:
            raise Refused(self.code, self.text)
        return self

    def string(self, name: str, pattern: str = r"[ -~]{0,1000}") -> str:
        """A text that matches ``pattern`` wholly; raises :class:`BadAnswer`."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise BadAnswer(f"The node's answer has no proper {name}.")
        return value

    def number(self, name: str) -> int:
        """A whole number from 0 on; raises :class:`BadAnswer`."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadAnswer(f"The node's answer has no proper {name}.")
        return value

    def flag(self, name: str) -> bool:
        """True if the answer says so; false otherwise."""
        return self.fields.get(name) is True


Event = Log | Progress | Line | Ready | Answer


def parse_event(line: str) -> Event | None:
    """One line of ``ffs-node``'s standard output; None for an event that this version does not know."""
    value = parse_object(line)
    match value.get("event"):
        case "log":
            return Log(_text(value, "text"))
        case "progress":
            return Progress(_whole(value, "done"), _whole(value, "total"))
        case "line":
            return Line(_epoch(value, "at"), _text(value, "text"))
        case "ready":
            return Ready(_pairs(value, "held"), _pairs(value, "half"))
        case "result":
            return _answer(value)
        case str():
            return None
        case _:
            raise BadAnswer("The node sent a line that is no event of ffs-node.")


def last_answer(output: str) -> Answer:
    """The result at the end of all output; raises :class:`BadAnswer` if there is none (a cut connection, no sudo)."""
    lines = output.rstrip("\n").rsplit("\n", 1)
    event = parse_event(lines[-1])
    if not isinstance(event, Answer):
        raise BadAnswer("The node's output ended without a result.")
    return event


def parse_object(line: str) -> dict[str, object]:
    """A JSON object of bounded size; raises :class:`BadAnswer`."""
    if len(line) > LINE_LIMIT:
        raise BadAnswer(f"The node sent a line of more than {LINE_LIMIT} characters.")
    try:
        value = json.loads(line, parse_constant=_no_constant, parse_int=_bounded_int)
    except (ValueError, RecursionError):
        raise BadAnswer("The node sent a line that is not JSON.") from None
    if not isinstance(value, dict):
        raise BadAnswer("The node sent a line that is no JSON object.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _bounded_int(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("number too long")
    return int(digits)


def _answer(value: dict[str, object]) -> Answer:
    ok = value.get("ok")
    if ok is True:
        rest = {name: field for name, field in value.items() if name not in {"event", "ok"}}
        return Answer(ok=True, fields=rest)
    code = value.get("code")
    if ok is not False or not isinstance(code, str) or not _CODE.fullmatch(code):
        raise BadAnswer("The node sent a result that says neither yes nor why not.")
    return Answer(ok=False, code=code, text=_text(value, "text"))


def _text(value: dict[str, object], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise BadAnswer(f"The node sent an event without {name}.")
    return found[:TEXT_LIMIT].encode("utf-8", "replace").decode()


def _whole(value: dict[str, object], name: str) -> int:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**63:
        raise BadAnswer(f"The node sent an event without a proper {name}.")
    return found


def _pairs(value: dict[str, object], name: str) -> tuple[tuple[int, int], ...]:
    found = value.get(name)
    if not isinstance(found, list) or len(found) > PAIRS_LIMIT:
        raise BadAnswer(f"The node sent an event without a proper {name}.")
    return tuple(_pair(each, name) for each in found)


def _pair(value: object, name: str) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        first, second = value
        if type(first) is int and type(second) is int and 0 <= first < 2**63 and 0 <= second < 2**63:
            return first, second
    raise BadAnswer(f"The node sent an event without a proper {name}.")


def _epoch(value: dict[str, object], name: str) -> float:
    found = value.get(name)
    if (
        isinstance(found, bool)
        or not isinstance(found, int | float)
        or not math.isfinite(found)
        or not 0 <= found < 2**40
    ):
        raise BadAnswer(f"The node sent an event without a proper {name}.")
    return float(found)
