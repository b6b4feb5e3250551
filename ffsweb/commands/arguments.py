"""Arguments, and how a command is run: its errors become a line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from ffsweb.commands.client import Client, from_environment
from ffsweb.commands.errors import UNKNOWN, USAGE, Closed, Ended
from ffsweb.commands.showing import RED, coloured, tell

Work = Callable[[Client, argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Arguments of one command, all of which know ``--json``."""

    def __init__(self, command: str, does: str) -> None:
        super().__init__(prog=f"ffs {command}", description=does, allow_abbrev=False)
        self.add_argument("--json", action="store_true", help="put out JSON, for programs")

    def error(self, message: str) -> NoReturn:
        """A usage error is no 2: that means rolled back."""
        self.print_usage(sys.stderr)
        tell(f"{self.prog}: {message}")
        sys.exit(USAGE)

    def project(self) -> Parser:
        """Add ``--project``."""
        self.add_argument("--project", default="", help="of this project alone")
        return self

    def service(self) -> Parser:
        """Add what names a service."""
        self.add_argument("host", metavar="HOST", help="the node's name or address")
        self.add_argument("--name", required=True, help="the service's name, such as www")
        return self.project()


def run(parser: Parser, arguments: list[str], work: Work, *, lists: bool = False) -> int:
    """The exit code of ``work``. What raises Ended is told.

    If nobody takes what is put out: 0 of what only ``lists``, else unknown, for 0 says that something is live.
    """
    try:
        given: Any = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return work(from_environment(), given)
    except Ended as end:
        _last_word(coloured(f"{parser.prog}: {end}", RED, sys.stderr))
        return end.code
    except KeyboardInterrupt:
        _last_word(f"{parser.prog}: stopped here. What was started goes on in the dashboard.")
        return UNKNOWN
    except (Closed, BrokenPipeError):
        return 0 if lists else UNKNOWN
    finally:
        _give_up_closed()


def _last_word(text: str) -> None:
    with contextlib.suppress(Closed):
        tell(text)


def _give_up_closed() -> None:
    """Python writes what is left at its end, and if nobody takes it, exits with a code of its own (120)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
