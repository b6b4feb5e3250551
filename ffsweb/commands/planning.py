"""From a wish to an operation: a plan that is shown, confirmed where it warns, and put to work by its hash."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from ffsweb.commands.arguments import Parser
from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import CODES, FAILED, Closed, Ended
from ffsweb.commands.finding import name_of
from ffsweb.commands.following import follow, show_line, tell_line
from ffsweb.commands.showing import COLOURS, YELLOW, as_json, coloured, printable, say, tell


def with_wait(parser: Parser) -> Parser:
    """Add what every command knows that starts an operation."""
    parser.add_argument("--wait", action="store_true", help="stream the log to its end, whose state is the exit code")
    parser.add_argument("--queue", action="store_true", help="wait for what other operations have")
    return parser


def with_start(parser: Parser) -> Parser:
    """Add what every command knows that starts a plan."""
    with_wait(parser)
    parser.add_argument("--yes", action="store_true", help="go on though the plan warns")
    return parser


def carry_out(client: Client, given: argparse.Namespace, service: dict[str, Any], **wish: Any) -> int:
    """Make the plan of ``wish``, start it, and with ``--wait`` follow it; the exit code."""
    project = quoted("projects", service["project"])
    asked = {"services": [name_of(service)], **wish}
    plan = client.post(f"{project}/plans", asked)
    if plan["refused"] and _read(client, service):
        plan = client.post(f"{project}/plans", asked)
    _show(plan)
    refusals = [text for target in plan["targets"] for text in target["refusals"]]
    if plan["refused"]:
        raise Ended(f"Refused: {' '.join(map(printable, refusals))} Nothing was started.")
    if plan["warnings"] and not given.yes and not _confirmed():
        raise Ended("Nothing was started. With --yes it goes on though the plan warns.")
    operation = client.post(f"{project}/plans{quoted(plan['hash'])}/deploy", {"aware": True, "wait": given.queue})
    return see_through(client, given, operation, name_of(service))


def see_through(client: Client, given: argparse.Namespace, operation: dict[str, Any], what: str) -> int:
    """Say what was started on ``what``, and with ``--wait`` follow it to its end; the exit code."""
    tell(f"Operation {operation['id']}: {client.url}/operations/{operation['id']}/")
    if not given.wait:
        if given.json:
            as_json(operation)
        return 0
    ended = follow(client, operation["id"], tell_line if given.json else show_line)
    with contextlib.suppress(Closed):  # how it ended is known, whoever reads on
        if given.json:
            as_json(ended)
        else:
            say(f"{what}: {coloured(ended['state'].replace('_', ' '), COLOURS.get(ended['state'], ''))}")
    return CODES.get(ended["state"], FAILED)


def _read(client: Client, service: dict[str, Any]) -> bool:
    """Have a node read of which nothing is known, for plans come from readings; False if something is.

    Raises Ended if it cannot be read.
    """
    node = quoted("projects", service["project"], "nodes", service["node"])
    known = client.get(node)
    if known["read_at"] and not known["read_error"]:
        return False
    tell(f"Nothing is known of {service['node']} at the moment: it is read first.")
    ended = follow(client, client.post(f"{node}/read")["id"], tell_line)
    if ended["state"] != "succeeded":
        raise Ended(f"{service['node']} could not be read: {printable(ended['message'])} Nothing was started.")
    return True


def _show(plan: dict[str, Any]) -> None:
    for target in plan["targets"]:
        old, new = target["release_old"] or "none", target["release_new"]
        size = plan["bytes_to_send"] / 1e6
        tell(f"{printable(target['service'])}: release {printable(old)} → {printable(new)}, {size:.1f} MB to send")
        for text in target["warnings"]:
            tell(coloured(f"  {printable(text)}", YELLOW, sys.stderr))


def _confirmed() -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
