"""Reading the environment and loading Django, for a process of a given kind.

The parent of all processes uses this module too and is to stay small: what is heavy is imported where it is needed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from ffsweb import env

EX_CONFIG: Final = 78
"""The exit code for an installation that must be put right first, see sysexits.h(3head)."""
BASE: Final = Path(__file__).resolve().parent.parent.parent


def environment() -> env.Environment:
    """What the environment says; ends the process with one line if that cannot be used."""
    from ffsweb import env

    try:
        return env.read(os.environ, base=BASE, uid=os.getuid(), pid=os.getpid())
    except env.EnvironmentProblem as problem:
        refuse(str(problem))


def load_django(process: str) -> None:
    """Set this process up as ``process`` (web, worker, beat, command). Ends it with one line if that cannot be."""
    os.environ["FFSWEB_PROCESS"] = process
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ffsweb.settings")
    environment()
    import django

    django.setup()


def refuse(*lines: str) -> NoReturn:
    """Say why nothing was started, and end."""
    for line in lines:
        tell(line)
    raise SystemExit(EX_CONFIG)


def tell(line: str) -> None:
    """One line to whoever started the program."""
    sys.stderr.write(f"ffs: {line}\n")
    sys.stderr.flush()


def ffs(*arguments: str) -> tuple[str, ...]:
    """The command that runs ``ffs`` with these arguments, in the same Python."""
    return (sys.executable, "-m", "ffsweb.cli", *arguments)
