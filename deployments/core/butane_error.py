"""What can be wrong with a Butane text, and where.

::

    BuildError            anything below; .problems holds all that was found, in the order of the text
    ├── NotYaml           the text is no YAML document that Butane would read
    ├── NotSupported      correct Butane, but a part of it that this translator does not build yet
    └── NotValid          Butane or Ignition would refuse it (or warn: warnings count as errors here)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(Enum):
    """Why something is refused."""

    YAML = "yaml"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the line in the Butane text (from 1), the path there, and a sentence."""

    line: int
    path: str
    message: str
    kind: Kind = Kind.INVALID

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.path}" if self.path else "")
        return f"{where}: {self.message}"


class BuildError(Exception):
    """A Butane text that cannot be translated. ``line``, ``path`` and ``message`` are those of the first problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        first = self.problems[0]
        self.line, self.path, self.message = first.line, first.path, first.message
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotYaml(BuildError):
    """The text is no YAML document that Butane would read."""


class NotSupported(BuildError):
    """The text uses a part of Butane that this translator does not build yet."""


class NotValid(BuildError):
    """Butane or Ignition would refuse the text."""


_CLASSES = {Kind.YAML: NotYaml, Kind.UNSUPPORTED: NotSupported, Kind.INVALID: NotValid}


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise one error for all ``problems``: invalid ones decide its class before unsupported ones."""
    for kind in (Kind.YAML, Kind.INVALID, Kind.UNSUPPORTED):
        if any(problem.kind is kind for problem in problems):
            raise _CLASSES[kind](problems)
