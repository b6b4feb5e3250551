"""Which node, which service, and which certificate, a command means."""

from __future__ import annotations

import argparse
from typing import Any

from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import Ended


def node_of(client: Client, given: argparse.Namespace) -> dict[str, Any]:
    """The node HOST, by its name or address. Raises Ended if there is none, or several."""
    rows = _hosts(client, given)
    if len(rows) > 1:
        named = ", ".join(sorted(f"{row['name']} in {row['project']}" for row in rows))
        raise Ended(f"{given.host} may be {named}. Say which, by its name and --project.")
    return rows[0]


def service_of(client: Client, given: argparse.Namespace) -> dict[str, Any]:
    """The service of ``--name`` on HOST, a node's name or address. Raises Ended if there is none, or several."""
    wanted = _wanted(given)
    there = {(row["project"], row["name"]) for row in _hosts(client, given)}
    rows = [
        row
        for name in sorted({name for _, name in there})
        for row in client.pages("/services", node=name, **wanted)
        if row["name"] == given.name and (row["project"], row["node"]) in there
    ]
    if not rows:
        raise Ended(f"{given.host} has no service {given.name}. Describe it on the node's page, or by the API.")
    if len(rows) > 1:
        projects = ", ".join(sorted(row["project"] for row in rows))
        raise Ended(f"{given.name}@{given.host} is in several projects: {projects}. Say which with --project.")
    found: dict[str, Any] = rows[0]
    return found


def certificate_of(client: Client, project: str, name: str) -> dict[str, Any]:
    """The project's certificate of that number, label or fingerprint. Raises Ended if there is none, or several."""
    rows = client.pages("/certificates", project=project)
    found = [row for row in rows if name in {str(row["id"]), row["label"], row["fingerprint"]}]
    if len(found) != 1:
        raise Ended(f"{project} has {len(found)} certificates {name!r}; one is needed. Nothing was done.")
    return dict(found[0])


def path_of_node(node: dict[str, Any]) -> str:
    """Its address below /api/v1."""
    return quoted("projects", node["project"], "nodes", node["name"])


def path_of(service: dict[str, Any]) -> str:
    """Its address below /api/v1."""
    return quoted("projects", service["project"], "nodes", service["node"], "services", service["name"])


def name_of(service: dict[str, Any]) -> str:
    """As people call it."""
    return f"{service['name']}@{service['node']}"


def _hosts(client: Client, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The nodes that HOST may mean, one at least."""
    rows = client.pages("/nodes", **_wanted(given))
    found = [row for row in rows if given.host in {row["name"], row["address"]}]
    if not found:
        raise Ended(f"There is no node {given.host}, or your token is not for its project.")
    return found


def _wanted(given: argparse.Namespace) -> dict[str, Any]:
    return {"project": given.project} if given.project else {}
