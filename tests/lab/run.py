"""Running programs on this machine: argv tuples in, bounded text out, a failure that says what the program
said."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LabError(Exception):
    """The lab could not do what it was asked. The text says what happened, and what was left as it was."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a program answered."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str

    def check(self) -> Output:
        """Return self; raise :class:`LabError` with the end of what the program said if it did not exit with
        0."""
        if self.status != 0:
            said = (self.err.strip() or self.out.strip())[-2000:]
            raise LabError(f"{' '.join(self.argv)} ended with status {self.status}: {said}")
        return self


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    shown: Sequence[str] | None = None,
) -> Output:
    """Run a program to its end and return what it said, also when it failed (see :meth:`Output.check`).

    ``timeout`` is in seconds; after it the program is killed and :class:`LabError` raised. ``shown`` is what
    errors call the command, where it is wrapped in others.
    """
    argv = tuple(argv)
    shown = tuple(shown or argv)
    try:
        done = subprocess.run(
            argv,
            # Nothing to read is an empty input: a program must never get at the terminal of whoever runs the tests.
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=timeout,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or error.stdout or b"").decode(errors="replace").strip()[-2000:]
        raise LabError(f"{' '.join(shown)} did not end within {timeout:g} s: {said}") from error
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed; `python -m tests.lab deps` names the packages") from error
    return Output(shown, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def check(argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0) -> str:
    """Run a program that must succeed and return its standard output."""
    return run(argv, stdin=stdin, timeout=timeout).check().out
