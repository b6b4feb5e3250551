"""Arguments, and how a command is run: its errors become a line and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from ffsweb.commands.client import Client, from_environment
from ffsweb.commands.errors import UNKNOWN, USAGE, Ended
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


def run(parser: Parser, arguments: list[str], work: Work) -> int:
    """The exit code of ``work``. What raises Ended is told."""
    try:
        given: Any = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return work(from_environment(), given)
    except Ended as end:
        tell(coloured(f"{parser.prog}: {end}", RED, sys.stderr))
        return end.code
    except KeyboardInterrupt:
        tell(f"{parser.prog}: stopped here. What was started goes on in the dashboard.")
        return UNKNOWN
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has enough; no word of Python's about it
        return 0
