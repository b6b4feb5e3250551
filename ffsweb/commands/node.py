"""``ffs node``: what is done with a node besides deploys."""

from __future__ import annotations

import argparse
from typing import Any

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import USAGE, Ended
from ffsweb.commands.finding import node_of, path_of_node
from ffsweb.commands.planning import see_through, with_wait
from ffsweb.commands.removing import remove
from ffsweb.commands.showing import as_json, printable, say, tell


def node(arguments: list[str]) -> int:
    """Keep deploys away from a node (cordon, which takes --reason) or let them come again (uncordon), remove what it
    needs no more (prune), give it the dashboard's ffs-node (upgrade), read it, make the first contact (enrol), or
    have the dashboard forget it (remove)."""
    return run(node_parser(), arguments, _node)


def node_parser() -> Parser:
    """Its arguments."""
    parser = Parser("node", node.__doc__ or "")
    parser.add_argument("verb", choices=("cordon", "uncordon", "prune", "upgrade", "read", "enrol", "remove"))
    parser.add_argument("host", metavar="HOST", nargs="?", default="", help="the node's name or address")
    with_wait(parser.project())
    parser.add_argument("--reason", default="", help="why nothing is to be deployed to it")
    parser.add_argument("--all", action="store_true", help="upgrade all nodes of --project that are older, and free")
    parser.add_argument("--yes", action="store_true", help="remove it without being asked for its name")
    return parser


def _node(client: Client, given: argparse.Namespace) -> int:
    if given.all:
        return _upgrade_all(client, given)
    if not given.host:
        raise Ended("Say which node: HOST, its name or address. Nothing was done.", USAGE)
    if given.verb == "cordon" and not given.reason:
        raise Ended("Say why, for the others: --reason. Nothing was done.", USAGE)
    found = node_of(client, given)
    path, name = path_of_node(found), found["name"]
    if given.verb == "remove":
        return remove(client, given, path, name=name, what=name)
    if given.verb in {"cordon", "uncordon"}:
        body = {"reason": given.reason} if given.verb == "cordon" else {}
        return _told(given, client.post(f"{path}/{given.verb}", body))
    wish = {} if given.verb == "read" else {"wait": given.queue}  # a reading holds nothing
    return see_through(client, given, client.post(f"{path}/{given.verb}", wish), name)


def _told(given: argparse.Namespace, row: dict[str, Any]) -> int:
    if given.json:
        as_json(row)
    else:
        say(printable(row["cordon"] or f"{row['name']} can be deployed to again."))
    return 0


def _upgrade_all(client: Client, given: argparse.Namespace) -> int:
    if given.verb != "upgrade" or given.host or not given.project:
        raise Ended("--all is for upgrade, and takes --project in the place of HOST. Nothing was done.", USAGE)
    operation = client.post(f"{quoted('projects', given.project)}/upgrade")
    if operation["left_out"]:
        names = printable(", ".join(operation["left_out"]))
        tell(f"Left out, because an operation is at work there: {names}. Upgrade them later.")
    return see_through(client, given, operation, given.project)
