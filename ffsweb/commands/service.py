"""``ffs service``: what is done with a service besides deploys."""

from __future__ import annotations

import argparse

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client
from ffsweb.commands.finding import name_of, path_of, service_of
from ffsweb.commands.planning import see_through, with_wait
from ffsweb.commands.removing import remove


def service(arguments: list[str]) -> int:
    """Start, stop or restart a service, or have the dashboard forget it (remove): what runs goes on running then."""
    return run(service_parser(), arguments, _service)


def service_parser() -> Parser:
    """Its arguments."""
    parser = Parser("service", service.__doc__ or "")
    parser.add_argument("verb", choices=("start", "stop", "restart", "remove"))
    with_wait(parser.service())
    parser.add_argument("--yes", action="store_true", help="remove it without being asked for its name")
    return parser


def _service(client: Client, given: argparse.Namespace) -> int:
    found = service_of(client, given)
    path = path_of(found)
    if given.verb == "remove":
        return remove(client, given, path, name=found["name"], what=name_of(found))
    operation = client.post(f"{path}/control", {"verb": given.verb, "wait": given.queue})
    return see_through(client, given, operation, name_of(found))
