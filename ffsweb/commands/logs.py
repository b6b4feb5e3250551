"""``ffs logs``: an operation's log, so far or to its end."""

from __future__ import annotations

import argparse

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client
from ffsweb.commands.errors import CODES, FAILED
from ffsweb.commands.following import follow, show_json, show_line


def logs(arguments: list[str]) -> int:
    """Show an operation's log; with -f follow it to its end, whose state is the exit code."""
    return run(logs_parser(), arguments, _work, lists=True)


def logs_parser() -> Parser:
    """Its arguments."""
    parser = Parser("logs", logs.__doc__ or "")
    parser.add_argument("operation", type=int, nargs="?", help="its number; the newest one if it is left out")
    parser.add_argument("-f", "--follow", action="store_true", help="until the operation ends")
    parser.add_argument("--after", type=int, default=0, help="only lines after this number")
    return parser.project()


def _work(client: Client, given: argparse.Namespace) -> int:
    number = given.operation
    if number is None:
        wanted = {"project": given.project} if given.project else {}
        newest = next(client.pages("/operations", most=1, limit=1, **wanted), None)
        if newest is None:
            return 0
        number = newest["id"]
    show = show_json if given.json else show_line
    if given.follow:
        return CODES.get(follow(client, number, show, after=given.after)["state"], FAILED)
    after = given.after
    while lines := client.get(f"/operations/{number}/lines", after=after, limit=1000)["lines"]:
        for line in lines:
            show(line)
        after = lines[-1]["number"]
    return 0
