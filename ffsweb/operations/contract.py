"""What passes between the engine and the kinds of operations: plain, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .states import TERMINAL, State


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that an operation works on: a key such as ``service:12``, and what people call it."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class OperationView:
    """What a kind sees of its operation; it does not change while it runs."""

    id: int
    kind: str
    title: str
    params: Mapping[str, Any]
    targets: tuple[Target, ...]
    project_id: int
    plan_hash: str
    actor_name: str
    attempt: int
    actor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. ``message`` is for the operator: what is now true, and what to do if anything is."""

    state: State
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))
        if self.state not in TERMINAL:
            msg = f"an operation does not end as {self.state!s}; use one of {', '.join(sorted(TERMINAL))}"
            raise ValueError(msg)


class FencePair(NamedTuple):
    """Epoch of the installation and counter of the claim; a node refuses a pair lower than the highest it saw."""

    epoch: int
    counter: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.counter}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's right to run one operation, until its lease is lost."""

    operation_id: int
    holder: str
    fence: FencePair
    attempt: int
    took_over: bool
