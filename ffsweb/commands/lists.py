"""``ffs nodes``, ``ffs services``, ``ffs operations``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client
from ffsweb.commands.showing import as_json, table

Row = dict[str, Any]


def nodes(arguments: list[str]) -> int:
    """The nodes, and when each was read last."""
    heads = ("project", "node", "address", "tags", "read", "trouble")

    def cells(row: Row) -> tuple[object, ...]:
        trouble = row["read_error"] or row["cordon"]
        return row["project"], row["name"], row["address"], " ".join(row["tags"]), _time(row["read_at"]), trouble

    return run(nodes_parser(), arguments, _listing("/nodes", heads, cells), lists=True)


def services(arguments: list[str]) -> int:
    """The services with what is live and what was measured."""
    heads = ("project", "service", "live", "wanted", "state", "restarts", "measured")

    def cells(row: Row) -> tuple[object, ...]:
        seen = row["measured"] or {"active": "unknown", "restarts": "", "at": ""}
        name = f"{row['name']}@{row['node']}"
        measured = (seen["active"], seen["restarts"], _time(seen["at"]))
        return row["project"], name, row["live_release"], row["desired_release"], *measured

    return run(services_parser(), arguments, _listing("/services", heads, cells), lists=True)


def operations(arguments: list[str]) -> int:
    """The operations, newest first."""
    heads = ("id", "project", "operation", "state", "by", "asked", "ended")

    def cells(row: Row) -> tuple[object, ...]:
        times = (_time(row["created_at"]), _time(row["finished_at"]))
        return row["id"], row["project"], row["title"], row["state"], row["actor"], *times

    return run(operations_parser(), arguments, _listing("/operations", heads, cells), lists=True)


def nodes_parser() -> Parser:
    """Its arguments."""
    return Parser("nodes", nodes.__doc__ or "").project()


def services_parser() -> Parser:
    """Its arguments."""
    parser = Parser("services", services.__doc__ or "").project()
    parser.add_argument("--node", default="", help="of this node alone")
    return parser


def operations_parser() -> Parser:
    """Its arguments."""
    parser = Parser("operations", operations.__doc__ or "").project()
    parser.add_argument("--state", default="", help="active, or one state such as failed")
    parser.add_argument("--most", type=int, default=25, help="how many (25)")
    return parser


def _listing(path: str, heads: tuple[str, ...], cells: Callable[[Row], tuple[object, ...]]) -> Any:
    def work(client: Client, given: argparse.Namespace) -> int:
        wanted = {name: value for name in ("project", "node", "state") if (value := getattr(given, name, ""))}
        rows = list(client.pages(path, most=getattr(given, "most", 0), **wanted))
        if given.json:
            as_json(rows)
        else:
            table(heads, map(cells, rows))
        return 0

    return work


def _time(text: str | None) -> str:
    """An instant of the API (ISO 8601, UTC) to the second."""
    return text[:19].replace("T", " ") + "Z" if text else ""
