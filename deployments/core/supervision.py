"""Which supervision mode fits an image (design §5), and what the image says about it.

An image may settle it itself by the label ``org.ffsweb.supervision`` (``supervisor``, ``own``, ``health``, ``none``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .quadlet import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LABEL = "org.ffsweb.supervision"
OLDEST_PYTHON = (3, 9)
"""What the supervisor's file runs on."""

_PROGRAM = re.compile(r"/?((?:usr/local/|usr/|opt/[A-Za-z0-9._+-]+/)?s?bin/python3\.(\d{1,2}))")
_LIBRARY = re.compile(r"/?((?:usr/local/|usr/|opt/[A-Za-z0-9._+-]+/)?)lib(?:64)?/python3\.(\d{1,2})/os\.pyc?")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python in an image: its absolute path and version."""

    path: str
    version: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """What of an image decides: whether it has a health check, its labels, the newest Python found in its layers."""

    health_check: bool
    labels: Mapping[str, str]
    interpreter: Interpreter | None
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """The mode that fits, and why, in a sentence for the page."""

    mode: Mode
    reason: str


def tells_of_python(path: str) -> bool:
    """Whether a file of an image is one that ``interpreter_among`` looks at."""
    return _PROGRAM.fullmatch(path) is not None or _LIBRARY.fullmatch(path) is not None


def interpreter_among(paths: Iterable[str]) -> Interpreter | None:
    """The newest Python 3 among the files of an image, given by path (``usr/bin/python3.11``), or None.

    A program counts only if its library (``os.py``) is there too: a dangling link is no Python.
    """
    programs: dict[int, list[str]] = {}
    libraries: set[int] = set()
    for path in paths:
        if match := _PROGRAM.fullmatch(path):
            programs.setdefault(int(match[2]), []).append("/" + match[1])
        elif match := _LIBRARY.fullmatch(path):
            libraries.add(int(match[2]))
    found = sorted(programs.keys() & libraries)
    if not found:
        return None
    return Interpreter(min(programs[found[-1]], key=lambda path: (len(path), path)), (3, found[-1]))


def detect(traits: ImageTraits) -> Detected:
    """The mode for an image: what its label says, else the best that it can do."""
    said = traits.labels.get(LABEL, "")
    problem = ""
    if said:
        try:
            mode = Mode(said)
        except ValueError:
            problem = f"Its label {LABEL} says {said[:40]!r}, which is no mode. "
        else:
            refusal = unfit(mode, traits)
            if refusal is None:
                return Detected(mode, f"The image says so by its label {LABEL}.")
            problem = f"Its label {LABEL} says {said}, but: {refusal} "
    return _best(traits, problem)


def _best(traits: ImageTraits, problem: str) -> Detected:
    if carries_supervisor(traits.command):
        return Detected(Mode.OWN, f"{problem}The image runs our supervisor by itself.")
    if unfit(Mode.SUPERVISOR, traits) is None and traits.interpreter:
        version = ".".join(map(str, traits.interpreter.version))
        return Detected(Mode.SUPERVISOR, f"{problem}The image has Python {version}, so our supervisor can watch it.")
    if traits.health_check:
        return Detected(Mode.HEALTH, f"{problem}The image has a health check, which podman runs.")
    return Detected(Mode.NONE, f"{problem}{unfit(Mode.SUPERVISOR, traits)} It has no health check either.")


def carries_supervisor(command: Iterable[str]) -> bool:
    """Whether an image's command is our supervisor, told to notify systemd: it needs no other one around it.

    A command for a shell (``sh -c "exec python3 supervisor.py …"``) counts by its words.
    """
    words = " ".join(command).split(" -- ")[0].split()
    names = {PurePosixPath(word).name for word in words}
    return "--sd-notify" in words and ("supervisor.py" in names or {"ffs", "supervise"} <= names)


def unfit(mode: Mode, traits: ImageTraits) -> str | None:
    """Why an image cannot run in ``mode``, or None."""
    if mode is Mode.HEALTH and not traits.health_check:
        return "The image has no health check."
    if mode is not Mode.SUPERVISOR:
        return None
    if traits.interpreter is None:
        return "The image has no Python."
    if traits.interpreter.version < OLDEST_PYTHON:
        return f"The image's Python is older than {'.'.join(map(str, OLDEST_PYTHON))}."
    return None if traits.command else "The image names neither an entrypoint nor a command."
