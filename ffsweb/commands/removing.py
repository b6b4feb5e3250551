"""What the dashboard is told to forget, after its name was typed."""

from __future__ import annotations

import argparse
import sys

from ffsweb.commands.client import Client
from ffsweb.commands.errors import Ended
from ffsweb.commands.showing import as_json, printable, say


def remove(client: Client, given: argparse.Namespace, path: str, *, name: str, what: str) -> int:
    """Have the thing at ``path`` forgotten, which people call ``what``; 0. Raises Ended if ``name`` is not typed."""
    if not given.yes:
        _ask(name, what)
    gone = client.post(f"{path}/remove", {"name": name})
    if given.json:
        as_json(gone)
    else:
        names = printable(", ".join(gone["removed"]))
        say(f"The dashboard has forgotten {names}. What runs on the machine was left as it is.")
    return 0


def _ask(name: str, what: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Ended(f"{what} was not removed. With --yes it is, without being asked for its name.")
    sys.stderr.write(f"The dashboard forgets {printable(what)}; what runs there goes on. Type {printable(name)}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise Ended(f"This is not {name}. Nothing was removed.")
