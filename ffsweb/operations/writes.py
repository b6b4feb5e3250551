"""What a run writes into the database, as values that wait in a queue until the writer commits them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .contract import Outcome
from .states import State, StepState, Stream


@dataclass(slots=True)
class Line:
    """A log line, scrubbed and cleaned. It gets its number from the writer, once."""

    at: datetime
    target_id: int | None
    stream: Stream
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class StepWrite:
    """The intent or the result of a step. Writing it twice does the same as writing it once."""

    name: str
    target_id: int | None
    state: StepState
    at: datetime
    message: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """A target's state, and why."""

    target_id: int
    state: State
    message: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a target's bytes is done, and how many come in a second. Only a target's last one counts."""

    target_id: int
    done: int
    total: int
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Park:
    """The run ends here and goes on in ``seconds``, or when ``question`` is answered (without seconds, only then)."""

    reason: str
    seconds: float | None
    question: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to people, asked once. ``due_at``: when ``default`` counts; None: it waits for an answer."""

    name: str
    text: str
    choices: dict[str, str]
    default: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The operation ends."""

    outcome: Outcome


Write = Line | StepWrite | Mark | Progress | Ask | Park | Finish
