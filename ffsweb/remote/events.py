"""What happens to a running command, as its own thread tells the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one stream, in order."""

    stream: Literal["out", "err"]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """The command ended and all of its output was read."""

    exit_status: int
    signal: str
    out: str
    err: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The node did not open a channel, or did not start the command."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The channel or connection ended before the command was known to have."""


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The caller's stdin raised."""

    error: Exception


Event: TypeAlias = Lines | Ended | Refused | Lost | SourceFailed
