"""How a release goes out: in which waves, what happens between and after them, and to whom it may be late. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GO, PAUSE, ASK = "go", "pause", "ask"
BACK, HOLD, ON = "back", "hold", "on"
FAIL, SKIP, OWE = "fail", "skip", "owe"

BETWEEN: Final = {GO: "go on", PAUSE: "pause", ASK: "wait until somebody approves"}
ON_FAILURE: Final = {BACK: "roll back all", HOLD: "hold, and ask", ON: "go on with the others"}
OFFLINE: Final = {
    FAIL: "nothing is begun",
    SKIP: "they are left out",
    OWE: "they are left out, and catch up when they are back",
}
MAX_PARTS: Final = 50
MAX_PAUSE: Final = 7 * 24 * 3600
_PART = re.compile(
    r"(?P<count>[1-9][0-9]{0,3})|(?P<percent>[1-9][0-9]?|100) ?%|tag (?P<tag>[a-z0-9][a-z0-9_.-]{0,31})"
)
_REST = "rest"


class RolloutError(ValueError):
    """The waves cannot be read, or do not fit the nodes; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What an operator chose.

    ``waves``: how many more nodes each wave takes, such as ``1, 25%, rest`` or ``tag canary, rest``; "" is all at
    once. ``between`` two waves: ``go``, ``pause`` (for ``pause`` seconds) or ``ask``. ``tolerated``: so many may fail
    and go back alone before ``on_failure`` (``back``, ``hold``, ``on``) decides. ``offline``: what is done
    about nodes that cannot be reached at the beginning (``fail``, ``skip``, ``owe``).
    """

    waves: str = ""
    between: str = GO
    pause: int = 0
    tolerated: int = 0
    on_failure: str = BACK
    offline: str = FAIL


@dataclass(frozen=True, slots=True)
class Member:
    """One service of a rollout: the operation's name for it, its node, and that node's tags."""

    key: str
    node: str
    tags: tuple[str, ...] = ()


def check(rollout: Rollout) -> Rollout:
    """``rollout`` itself; raises RolloutError for what no rollout can be."""
    _parts(rollout.waves)
    known = ((rollout.between, BETWEEN), (rollout.on_failure, ON_FAILURE), (rollout.offline, OFFLINE))
    if any(value not in choices for value, choices in known):
        raise RolloutError("That is none of the choices.")
    if rollout.between == PAUSE and not 1 <= rollout.pause <= MAX_PAUSE:
        raise RolloutError("A pause takes between a second and a week.")
    if not 0 <= rollout.tolerated <= 9999:
        raise RolloutError("The number of failures that are tolerated is between 0 and 9999.")
    return rollout


def split(rollout: Rollout, members: Sequence[Member]) -> tuple[tuple[str, ...], ...]:
    """The keys of ``members``, wave by wave. A node is in one wave with all its services; none is left over.

    Raises RolloutError if a tag is on none of the nodes.
    """
    left: dict[str, list[Member]] = {}
    for member in members:
        left.setdefault(member.node, []).append(member)
    total, waves = len(left), []
    for part in _parts(rollout.waves):
        match = _PART.fullmatch(part)
        if match is None:
            break  # the rest
        taken = _tagged(left, match["tag"]) if match["tag"] else list(left)[: _count(match, total)]
        if match["tag"] and not any(match["tag"] in member.tags for member in members):
            raise RolloutError(f"None of the chosen nodes has the tag {match['tag']}.")
        waves.append(_keys(left, taken))
    waves.append(_keys(left, list(left)))
    return tuple(wave for wave in waves if wave)


def after_failure(rollout: Rollout, *, before: int, now: int) -> str:
    """What follows when ``now`` services of a wave failed and ``before`` of earlier ones: back, hold or on."""
    if now == 0 or before + now <= rollout.tolerated:
        return ON
    return rollout.on_failure


def in_words(rollout: Rollout, waves: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What the plan says of a rollout, as sentences."""
    sentences = []
    if len(waves) > 1:
        pause = f" for {_time(rollout.pause)}" if rollout.between == PAUSE else ""
        sentences.append(f"In {len(waves)} waves; after each but the last: {BETWEEN[rollout.between]}{pause}.")
    else:
        sentences.append("All nodes together.")
    if rollout.tolerated:
        many = "s" if rollout.tolerated > 1 else ""
        sentences.append(f"Up to {rollout.tolerated} service{many} may fail and go back alone.")
    sentences.append(f"When {'more fail' if rollout.tolerated else 'one fails'}: {ON_FAILURE[rollout.on_failure]}.")
    sentences.append(f"If nodes cannot be reached: {OFFLINE[rollout.offline]}.")
    return tuple(sentences)


def _parts(text: str) -> list[str]:
    parts = [" ".join(part.split()) for part in text.split(",")] if text.strip() else []
    if len(parts) > MAX_PARTS:
        raise RolloutError(f"These are more than {MAX_PARTS} waves.")
    for number, part in enumerate(parts, start=1):
        if part == _REST and number == len(parts):
            continue
        if part == _REST or not _PART.fullmatch(part):
            raise RolloutError(
                f"Wave {number} reads “{part[:40]}”. Write a number of nodes (1), a share (25%) or a tag (tag canary)"
                ", and “rest” at the end."
            )
    return parts


def _count(match: re.Match[str], total: int) -> int:
    return int(match["count"]) if match["count"] else math.ceil(total * int(match["percent"]) / 100)


def _tagged(left: dict[str, list[Member]], tag: str) -> list[str]:
    return [node for node, found in left.items() if tag in found[0].tags]


def _keys(left: dict[str, list[Member]], nodes: Iterable[str]) -> tuple[str, ...]:
    return tuple(member.key for node in nodes for member in left.pop(node))


def _time(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
