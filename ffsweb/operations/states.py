"""The states of an operation, what may follow what, and how each looks. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an operation, or one of its targets, stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    NEEDS_HANDS = "needs_hands"

    @property
    def label(self) -> str:
        """The state in words."""
        return LABELS[self]

    @property
    def colour(self) -> str:
        """A Tabler colour name; the label is always shown beside it."""
        return COLOURS[self]

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return self in TERMINAL


class StepState(StrEnum):
    """Where a step stands: written before it acts, and again after."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"


class Stream(StrEnum):
    """Where a log line comes from: the dashboard (info, warning, error) or a node's program (out, err)."""

    INFO = "info"
    OUT = "out"
    ERR = "err"
    WARNING = "warning"
    ERROR = "error"


LABELS: Final = {
    State.QUEUED: "Queued",
    State.RUNNING: "Running",
    State.PARKED: "Parked",
    State.SUCCEEDED: "Succeeded",
    State.FAILED: "Failed",
    State.ROLLED_BACK: "Rolled back",
    State.CANCELLED: "Cancelled",
    State.UNKNOWN: "Unknown",
    State.NEEDS_HANDS: "Needs hands",
}

COLOURS: Final = {
    State.QUEUED: "secondary",
    State.RUNNING: "blue",
    State.PARKED: "yellow",
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.ROLLED_BACK: "orange",
    State.CANCELLED: "secondary",
    State.UNKNOWN: "purple",
    State.NEEDS_HANDS: "red",
}

TERMINAL: Final = frozenset(
    {
        State.SUCCEEDED,
        State.FAILED,
        State.ROLLED_BACK,
        State.CANCELLED,
        State.UNKNOWN,
        State.NEEDS_HANDS,
    }
)
ACTIVE: Final = frozenset(State) - TERMINAL

FOLLOWS: Final = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    # Running to running: another worker takes over from one whose lease ran out.
    State.RUNNING: frozenset({State.RUNNING, State.PARKED}) | TERMINAL,
    State.PARKED: frozenset({State.RUNNING, State.CANCELLED}),
}


def may_follow(before: State, after: State) -> bool:
    """Whether ``after`` may follow ``before``; nothing follows a terminal state."""
    return after in FOLLOWS.get(before, frozenset())


def of_target_at_the_end(target: State, operation: State) -> tuple[State, str]:
    """What a target's state and message become when its operation ends in ``operation``.

    What a kind has settled stays. A target that never began is said to be so, whatever became of the others.
    """
    if target.terminal or operation is State.SUCCEEDED:
        return (target if target.terminal else State.SUCCEEDED), ""
    if target is State.QUEUED:
        return State.CANCELLED, "Not begun."
    return operation, ""


def severity(state: State) -> Stream:
    """The stream of the last log line of an operation that ended in ``state``."""
    if state is State.SUCCEEDED:
        return Stream.INFO
    return Stream.WARNING if state in {State.CANCELLED, State.ROLLED_BACK} else Stream.ERROR
